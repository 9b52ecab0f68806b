"""The dual-branch network: expression and gesture, each hearing the other after every block."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from asynfusion_ros.networks.branch import Branch, BranchCondition, Known
from asynfusion_ros.networks.manner import MannerBatch
from asynfusion_ros.networks.settings import NetworkSettings


@dataclass(frozen=True)
class Condition:
    """What one window's speech says to each branch."""

    expression: BranchCondition
    gesture: BranchCondition


class DualBranchDiT(nn.Module):
    """Two branches with their own diffusion times (paper eq. 8-10)."""

    def __init__(self, settings: NetworkSettings) -> None:
        """Build both branches; their outputs are zero until trained."""
        super().__init__()
        self.settings = settings
        self.expression = Branch(settings, "expression")
        self.gesture = Branch(settings, "gesture")

    def condition(
        self, audio: Tensor, manner: MannerBatch, audio_given: Tensor | None = None
    ) -> Condition:
        """Encode one window's speech (B, T, A) and manner, once.

        Where `audio_given` (B,) is False, a learned null stands for the audio: together with an
        unknown manner that is the unconditional half of classifier-free guidance.
        """
        return Condition(
            self.expression.condition(audio, manner, audio_given),
            self.gesture.condition(audio, manner, audio_given),
        )

    def forward(
        self,
        x_face: Tensor,
        x_body: Tensor,
        t_face: Tensor,
        t_body: Tensor,
        condition: Condition,
        known_face: Known | None = None,
        known_body: Known | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Run both branches in lock-step, trading features block by block.

        x_face (B, T, face_dim) is at t_face, x_body (B, T, body_dim) at t_body: times (B,) of
        windows, or (B, T) of frames. Returns the two predictions in the same shapes.
        """
        face = self.expression.begin(x_face, t_face, condition.expression, known_face)
        body = self.gesture.begin(x_body, t_body, condition.gesture, known_body)
        for index in range(self.settings.depth):
            f_face = self.expression.block(index, face, condition.expression)  # (B, T, W)
            f_body = self.gesture.block(index, body, condition.gesture)  # (B, T, W)
            face = self.expression.interact(index, face, f_face, f_body)
            body = self.gesture.interact(index, body, f_body, f_face)
        return self.expression.finish(face), self.gesture.finish(body)  # (B, T, D) each
