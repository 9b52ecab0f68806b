"""The people that come with the package, as models/avatar/NAME.glb."""

from typing import Final

LOOKS: Final = ("ada", "ben", "noor")
