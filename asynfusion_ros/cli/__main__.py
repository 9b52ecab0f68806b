"""`python -m asynfusion_ros.cli` does what `asynfusion` does."""

import sys

from asynfusion_ros.cli import main

sys.exit(main())
