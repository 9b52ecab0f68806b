"""Distillation along the teacher's path: each of the sampler's few steps lands where it leads.

The teacher walks from the time at which a step of the sampler begins to that at which it ends, in
several DDIM steps; the student learns the x_0 whose one step lands there. Nothing is averaged over
what might be: the goal follows from the noise, and the student's people differ as the teacher's do.
"""

from __future__ import annotations

import math
from functools import cached_property

import torch
from torch import Tensor

from asynfusion_ros.diffusion import (
    ddim_step,
    find_landing,
    plan_jumps,
    split_jump,
)
from asynfusion_ros.networks import DualBranchDiT
from asynfusion_ros.sampling.noise import shape_noise
from asynfusion_ros.sampling.window import BRANCHES
from asynfusion_ros.training.batches import Batch
from asynfusion_ros.training.distill import DistillObjective
from asynfusion_ros.training.losses import weighted_mean
from asynfusion_ros.training.teacher import Noised, Pair


class TrajectoryObjective(DistillObjective):
    """How far the student's steps land from where the teacher's path leads."""

    @cached_property
    def jumps(self) -> tuple[Tensor, Tensor]:
        """Where the steps of face and body begin and should land, (N, 2) and (M, 2).

        Both begin at the times of the finer sampler, so that the other is good in as many steps,
        too. Raises ConfigError where there are more steps than distilled times.
        """
        counts = (self._distill.expression_steps, self._distill.gesture_steps)
        grid = (max(counts), self._distill.origin, self.schedule.steps)
        face, body = (torch.tensor(plan_jumps(own, *grid)).to(self.device) for own in counts)
        return face, body

    @property
    def noise_spread(self) -> Tensor:
        """The temperatures that the face will be sampled with, (51,)."""
        shape = shape_noise(BRANCHES[0], self._distill.temperatures)
        return torch.ones(()) if shape is None else torch.from_numpy(shape.spread)

    def loss(self, student: DualBranchDiT, draw: int, generator: torch.Generator) -> Tensor:
        """Return the loss of the batch that `draw` decides."""
        batch = self.sample(draw)
        begin, end = self.draw_jumps(generator, len(batch.face))
        noised = self.add_noise(batch, begin, generator)
        x, t = (noised.x_face, noised.x_body), (noised.t_face, noised.t_body)
        ours = self.predict(student, batch, x, t, self.settings.prediction)
        with torch.no_grad():
            goals = self.find_goals(batch, noised, end)
        weights = self.weights(batch)
        total = self.closure_error(ours[0], batch, weights[0])
        for x0_hat, goal, clean, w in zip(
            ours, goals, (batch.face, batch.body), weights, strict=True
        ):
            wrong = x0_hat - goal  # (B, T, D)
            moved = wrong[:, 1:] - wrong[:, :-1]  # (B, T - 1, D)
            total = total + weighted_mean(wrong**2, w)
            total = total + self._distill.velocity_weight * weighted_mean(moved**2, w[:, 1:])
            total = total + self._distill.data_weight * weighted_mean((x0_hat - clean) ** 2, w)
        return torch.as_tensor(total)

    def draw_jumps(self, generator: torch.Generator, size: int) -> tuple[Pair, Pair]:
        """Draw where both branches' jumps begin and where they end, (B,) each.

        What the branches draw together is how far along they are, in jumps of their own.
        """
        counts = [len(jumps) for jumps in self.jumps]
        drawn = self.draw_times(generator, size, math.prod(counts))
        face, body = (
            jumps[number * len(jumps) // math.prod(counts)]
            for jumps, number in zip(self.jumps, drawn, strict=True)
        )  # (B, 2)
        return (face[:, 0], body[:, 0]), (face[:, 1], body[:, 1])

    def find_goals(self, batch: Batch, noised: Noised, ends: Pair) -> Pair:
        """Walk the teacher's path to `ends`; return the x_0 whose one step lands there."""
        starts = (noised.x_face, noised.x_body)
        noises = (noised.noise_face, noised.noise_body)
        cleans = (batch.face, batch.body)
        begins = (noised.t_face, noised.t_body)
        parts = self._distill.substeps
        face_t, body_t = (
            split_jump(begin, end, parts) for begin, end in zip(begins, ends, strict=True)
        )
        conditions = self.guide(batch)
        x = starts
        for part in range(parts):
            now, later = (face_t[part], body_t[part]), (face_t[part + 1], body_t[part + 1])
            seen = self.guided(batch, x, now, conditions)
            moved = []
            for value, x0, time, goal, clean, noise in zip(
                x, seen, now, later, cleans, noises, strict=True
            ):
                rest = self.schedule.predict_noise("sample", x0, value, time)  # (B, T, D)
                free = ddim_step(self.schedule, x0, rest, goal)
                given = self.schedule.add_noise(clean, noise, goal)
                moved.append(torch.lerp(free, given, batch.known))  # as the sampler imposes them
            x = (moved[0], moved[1])
        face, body = (
            find_landing(self.schedule, start, begin, value, end)
            for start, begin, value, end in zip(starts, begins, x, ends, strict=True)
        )
        return face, body
