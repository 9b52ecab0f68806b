"""Consistency distillation of both branches from the frozen teacher (paper eq. 7, 11).

A latent consistency model maps any point of the teacher's path to the path's clean end. Student at
t_n and its slow average at t_n - k must agree, where the teacher's DDIM step leads from one to the
other; the partner's features stand at a diffusion time of their own, as in asynchronous sampling.
"""

from __future__ import annotations

import torch
from torch import Tensor

from asynfusion_ros.diffusion import NoiseSchedule, consistency, ddim_step
from asynfusion_ros.networks import Condition, DualBranchDiT
from asynfusion_ros.sampling.window import BRANCHES
from asynfusion_ros.training.batches import Batch, PreparedWindows, Statistics
from asynfusion_ros.training.losses import pseudo_huber, weighted_mean
from asynfusion_ros.training.settings import DistillSettings
from asynfusion_ros.training.teacher import Objective, Pair, TeacherObjective


class DistillObjective(Objective):
    """The disagreement of student and target along the teacher's path."""

    def __init__(
        self,
        windows: PreparedWindows,
        statistics: Statistics,
        schedule: NoiseSchedule,
        settings: DistillSettings,
        teacher: DualBranchDiT,
        target: DualBranchDiT,
    ) -> None:
        """Keep the frozen teacher and the student's average as target."""
        super().__init__(windows, statistics, schedule, settings)
        self._distill = settings
        self._teacher, self._target = teacher.requires_grad_(False), target.requires_grad_(False)
        self._guidance = [
            torch.as_tensor(settings.guidance_weights.weight_of(branch)).to(self.device)
            for branch in BRANCHES
        ]
        self._validation = TeacherObjective(windows, statistics, schedule, settings)

    def loss(self, student: DualBranchDiT, draw: int, generator: torch.Generator) -> Tensor:
        """Return the loss of the batch that `draw` decides."""
        settings = self._distill
        batch = self.sample(draw)
        stride = self.schedule.steps // settings.origin
        drawn = self.draw_times(generator, len(batch.face), settings.origin)
        drawn = self.spread_times(drawn, batch, generator, settings.origin)
        times = (stride * (drawn[0] + 1) - 1, stride * (drawn[1] + 1) - 1)
        noised = self.add_noise(batch, times, generator)
        x, t = (noised.x_face, noised.x_body), (noised.t_face, noised.t_body)
        ours = self._consistent(student, batch, x, t)
        clean = (batch.face, batch.body)
        weights = self.weights(batch)
        data = sum(
            weighted_mean((f - x0) ** 2, w) for f, x0, w in zip(ours, clean, weights, strict=True)
        )
        if settings.form == "regression":
            return torch.as_tensor(data)
        with torch.no_grad():
            theirs = self._targets(batch, x, t, stride)
        total = settings.data_weight * data + self.closure_error(ours[0], batch, weights[0])
        for f, goal, w in zip(ours, theirs, weights, strict=True):
            moved = (f[:, 1:] - f[:, :-1], goal[:, 1:] - goal[:, :-1])  # (B, T - 1, D) each
            total = total + pseudo_huber(f, goal, w, settings.huber_c)
            total = total + settings.velocity_weight * pseudo_huber(
                *moved, w[:, 1:], settings.huber_c
            )
        return torch.as_tensor(total)

    def validate(self, student: DualBranchDiT) -> dict[str, float]:
        """Return the student's errors as a one-step denoiser on validation windows."""
        return self._validation.validate(student)

    def _targets(self, batch: Batch, x: Pair, t: Pair, stride: int) -> Pair:
        """Return the target's ends of the path, one DDIM step of the teacher further down."""
        x0 = self.guided(batch, x, t, self.guide(batch))
        earlier = (t[0] - stride, t[1] - stride)
        moved = []
        for value, clean, time, goal in zip(x, x0, t, earlier, strict=True):
            noise = self.schedule.predict_noise("sample", clean, value, time)
            moved.append(ddim_step(self.schedule, clean, noise, goal))
        at = (earlier[0].clamp(min=0), earlier[1].clamp(min=0))
        ends = self._consistent(self._target, batch, (moved[0], moved[1]), at)
        face, body = (
            torch.where((goal < 0).view(*goal.shape, *[1] * (3 - goal.ndim)), value, end)
            for goal, value, end in zip(earlier, moved, ends, strict=True)
        )
        return face, body

    def guide(self, batch: Batch) -> tuple[Condition, ...]:
        """Return what the teacher is told of the batch, and what it is not told where guided."""
        told = self.condition(self._teacher, batch)
        if not self._distill.guidance_weights.leads:
            return (told,)
        return told, self.condition(self._teacher, batch.without_condition())

    def guided(self, batch: Batch, x: Pair, t: Pair, conditions: tuple[Condition, ...]) -> Pair:
        """Return the teacher's x0-hat, led away from what it says without speech and manner."""
        told, *untold = (
            self.predict(self._teacher, batch, x, t, self.settings.prediction, condition)
            for condition in conditions
        )
        if not untold:
            return told
        face, body = (
            u + weight * (c - u)
            for weight, c, u in zip(self._guidance, told, untold[0], strict=True)
        )
        return face, body

    def _consistent(self, network: DualBranchDiT, batch: Batch, x: Pair, t: Pair) -> Pair:
        """Return the consistency function f(x, t) of both branches."""
        face, body = self.predict(network, batch, x, t, self.settings.prediction)
        return consistency(face, x[0], t[0]), consistency(body, x[1], t[1])
