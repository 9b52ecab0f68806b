"""The teacher: both branches learn to remove noise, each at its own diffusion time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from asynfusion_ros.diffusion import NoiseSchedule, rolling_shares
from asynfusion_ros.motion.blendshapes import mouth_opening
from asynfusion_ros.networks import Condition, DualBranchDiT
from asynfusion_ros.training.ahead import Ahead
from asynfusion_ros.training.batches import Batch, PreparedWindows, Statistics
from asynfusion_ros.training.devices import choose_device
from asynfusion_ros.training.losses import LipClosure, channel_weights, denoising_loss
from asynfusion_ros.training.settings import TrainSettings

Pair = tuple[Tensor, Tensor]

_AHEAD = 6  # batches that are made while a GPU computes


@dataclass(frozen=True)
class Noised:
    """Both streams of a batch under noise (B, T, D), and their times (B,) or (B, T)."""

    t_face: Tensor
    t_body: Tensor
    noise_face: Tensor
    noise_body: Tensor
    x_face: Tensor
    x_body: Tensor


class Objective:
    """What teacher and student share: times, noise, weights, and the network's x0."""

    def __init__(
        self,
        windows: PreparedWindows,
        statistics: Statistics,
        schedule: NoiseSchedule,
        settings: TrainSettings,
    ) -> None:
        """Keep the data, the schedule and the settings."""
        self.windows, self.statistics = windows, statistics
        self.schedule, self.settings = schedule, settings
        self._face_weights = channel_weights(settings.mouth_weight)
        self._closure = LipClosure(statistics.face) if settings.closure_weight else None
        self.device = choose_device(settings.device)
        self._batches = Ahead(self._make, _AHEAD if self.device.type == "cuda" else 0)

    def sample(self, draw: int) -> Batch:
        """Return the batch that `draw` decides, on the device."""
        return self._batches.take(draw).to(self.device)

    def _make(self, draw: int) -> Batch:
        return self.windows.sample(draw, self.settings, self.statistics)

    def draw_times(self, generator: torch.Generator, size: int, count: int) -> Pair:
        """Draw two times (size,) in 0..count-1, equal but for the independent share."""
        times = torch.randint(0, count, (2, size), generator=generator)
        apart = torch.rand(size, generator=generator) < self.settings.independent_share
        body = torch.where(apart, times[1], times[0])
        return times[0].to(self.device), body.to(self.device)

    def spread_times(
        self, times: Pair, batch: Batch, generator: torch.Generator, count: int
    ) -> Pair:
        """Give the frames of the rolling share of windows times of their own in 0..count-1.

        Returns the times (B,) as they are where there is no such share, else times (B, T).
        """
        settings = self.settings
        if settings.rolling_share == 0.0:
            return times
        size, frames, _ = batch.known.shape
        rolls = torch.rand(size, generator=generator) < settings.rolling_share
        phases = torch.rand((2, size), generator=generator)
        apart = torch.rand(size, generator=generator) < settings.independent_share
        phases[1] = torch.where(apart, phases[1], phases[0])
        known = batch.known[..., 0].sum(dim=1).long()  # (B,)
        blocks = (frames, settings.rolling_block_frames, settings.rolling_levels)
        face, body = (
            torch.where(
                rolls.to(self.device)[:, None],
                (rolling_shares(known, phase.to(self.device), *blocks) * (count - 1))
                .round()
                .long(),
                time[:, None],
            )  # (B, T)
            for phase, time in zip(phases, times, strict=True)
        )
        return face, body

    @property
    def noise_spread(self) -> Tensor:
        """The spread of the face's noise, by channel or of all."""
        return torch.ones(())

    def add_noise(self, batch: Batch, times: Pair, generator: torch.Generator) -> Noised:
        """Noise both streams; what a window lacks, face or body, is pure noise."""
        face, body = (torch.randn(x.shape, generator=generator) for x in (batch.face, batch.body))
        noise_face = (face * self.noise_spread).to(self.device)
        noise_body = body.to(self.device)
        t_face, x_face = self._noise(batch.face, noise_face, times[0], batch.has_face)
        t_body, x_body = self._noise(batch.body, noise_body, times[1], batch.has_body)
        return Noised(t_face, t_body, noise_face, noise_body, x_face, x_body)

    def _noise(self, x0: Tensor, noise: Tensor, t: Tensor, given: Tensor) -> Pair:
        has = given if t.ndim == 1 else given[:, None]  # (B,) or (B, 1)
        t = torch.where(has, t, self.schedule.steps - 1)  # (B,) or (B, T)
        x = self.schedule.add_noise(x0, noise, t)  # (B, T, D)
        return t, torch.where(given[:, None, None], x, noise)

    def condition(self, network: DualBranchDiT, batch: Batch) -> Condition:
        """Encode the batch's speech."""
        return network.condition(batch.audio, batch.manner, batch.audio_given)

    def predict(
        self,
        network: DualBranchDiT,
        batch: Batch,
        x: Pair,
        t: Pair,
        prediction: str,
        condition: Condition | None = None,
    ) -> Pair:
        """Return x0-hat of face and body in lock-step."""
        condition = condition or self.condition(network, batch)
        known = (batch.given(batch.face), batch.given(batch.body))
        outputs = network(*x, *t, condition, *known)
        face, body = (
            self.schedule.predict_x0(prediction, output, value, time)
            for output, value, time in zip(outputs, x, t, strict=True)
        )
        return face, body

    def weights(self, batch: Batch) -> Pair:
        """Return the weight of every channel and frame of face and body, (B, T, D)."""
        frames = 1.0 - (1.0 - self.settings.known_weight) * batch.known  # (B, T, 1)
        face = batch.face_mask * self._face_weights.to(self.device)
        return frames * face, frames * batch.body_mask

    def closure_error(self, face: Tensor, batch: Batch, weights: Tensor) -> Tensor | float:
        """Return the weighted error of whether lips of `face` (B, T, 51) touch."""
        if self._closure is None:
            return 0.0
        return self.settings.closure_weight * self._closure.error(face, batch.face, weights)


class TeacherObjective(Objective):
    """The denoising error of both branches (paper eq. 12-15)."""

    def loss(self, network: DualBranchDiT, draw: int, generator: torch.Generator) -> Tensor:
        """Return the loss of the batch that `draw` decides."""
        batch = self.sample(draw)
        count = self.schedule.steps
        times = self.draw_times(generator, len(batch.face), count)
        times = self.spread_times(times, batch, generator, count)
        return self._error(network, batch, self.add_noise(batch, times, generator))

    def validate(self, network: DualBranchDiT) -> dict[str, float]:
        """Return the error on validation windows, and how well x0-hat opens its mouth at t = 999.

        From pure noise and speech alone: the correlation of mouth opening with the truth, over
        the frames that were not given.
        """
        if not self.windows.val.size:
            return {}
        generator = torch.Generator().manual_seed(0)
        batch = self.windows.validation(self.settings, self.statistics).to(self.device)
        with torch.inference_mode():
            times = self.draw_times(generator, len(batch.face), self.schedule.steps)
            loss = self._error(network, batch, self.add_noise(batch, times, generator))
            last = torch.full((len(batch.face),), self.schedule.steps - 1, device=self.device)
            noised = self.add_noise(batch, (last, last), generator)
            x, t = (noised.x_face, noised.x_body), (noised.t_face, noised.t_body)
            face, _ = self.predict(network, batch, x, t, self.settings.prediction)
        face, batch = face.float().cpu(), batch.to(torch.device("cpu"))
        free = batch.known[..., 0] == 0
        spoken = torch.from_numpy(mouth_opening(self.statistics.face.unnormalise(face)))[free]
        truth = torch.from_numpy(mouth_opening(self.statistics.face.unnormalise(batch.face)))[free]
        correlation = torch.corrcoef(torch.stack([spoken, truth]))[0, 1]
        return {"val_loss": float(loss), "val_mouth_correlation": float(correlation)}

    def _error(self, network: DualBranchDiT, batch: Batch, noised: Noised) -> Tensor:
        x, t = (noised.x_face, noised.x_body), (noised.t_face, noised.t_body)
        predicted = self.predict(network, batch, x, t, self.settings.prediction)
        weights = self.weights(batch)
        errors = [
            denoising_loss(x0_hat, x0, time, weight, schedule=self.schedule, settings=self.settings)
            for x0_hat, x0, time, weight in zip(
                predicted, (batch.face, batch.body), t, weights, strict=True
            )
        ]
        return errors[0] + errors[1] + self.closure_error(predicted[0], batch, weights[0])
