"""How much speech and manner are exaggerated: classifier-free guidance, apart for face and body."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asynfusion_ros.motion.blendshapes import FACE_NAMES, MOUTH_NAMES

Array = npt.NDArray[np.float32]

AS_THE_FACE = -1.0
"""The weight of mouth or body in settings that means: as the face."""


@dataclass(frozen=True)
class Guidance:
    """Weights w of u + w (c - u), with c what the network says when told, u when not; 1: as told.

    Attributes:
        face: of the face's channels but the mouth's.
        mouth: of the mouth's channels.
        body: of the body.
    """

    face: float = 1.0
    mouth: float = 1.0
    body: float = 1.0

    @classmethod
    def of(cls, face: float, mouth: float = AS_THE_FACE, body: float = AS_THE_FACE) -> Guidance:
        """Return what settings mean, where AS_THE_FACE may stand for the others."""
        return cls(face, *(face if own < 0.0 else own for own in (mouth, body)))

    @property
    def leads(self) -> bool:
        """Whether any weight is not 1, so that u is needed."""
        return self != PLAIN

    def weight_of(self, branch: str) -> float | Array:
        """Return the weight in `branch`, 'expression' or 'gesture': one, or by channel (51,)."""
        if branch == "gesture":
            return self.body
        if self.mouth == self.face:
            return self.face
        return np.where(np.isin(FACE_NAMES, MOUTH_NAMES), self.mouth, self.face).astype(np.float32)


PLAIN = Guidance()
"""Nothing exaggerated."""
