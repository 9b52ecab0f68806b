"""The forward process: a frozen noise schedule and the algebra of its predictions.

x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) e, for t in 0..T-1; t = -1 stands for clean data
(abar = 1). Times are an int for the whole batch, or a tensor: (B,), one for each sample, or (B, T),
one for each frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from asynfusion_ros.errors import ConfigError

MOST_STEPS = 100_000
PREDICTIONS = ("epsilon", "sample", "v_prediction")

Time = int | Tensor


@dataclass(frozen=True)
class NoiseSchedule:
    """A linear schedule of `steps` variances from `beta_start` to `beta_end`, in float64."""

    beta_start: float = 1e-4
    beta_end: float = 0.02
    steps: int = 1000

    @classmethod
    def linear(
        cls, beta_start: float = 1e-4, beta_end: float = 0.02, steps: int = 1000
    ) -> NoiseSchedule:
        """Return the schedule; raise ConfigError unless 0 < beta_start <= beta_end < 1."""
        if not 0.0 < beta_start <= beta_end < 1.0 or not 1 <= steps <= MOST_STEPS:
            raise ConfigError(
                f"noise schedule from {beta_start} to {beta_end} in {steps} steps; "
                f"betas must satisfy 0 < start <= end < 1, in 1 to {MOST_STEPS} steps"
            )
        return cls(beta_start, beta_end, steps)

    @cached_property
    def betas(self) -> Tensor:
        """The variances beta_t, (T,) float64."""
        return torch.linspace(self.beta_start, self.beta_end, self.steps, dtype=torch.float64)

    @cached_property
    def alphas_cumprod(self) -> Tensor:
        """The table abar_t = prod (1 - beta), (T,) float64."""
        return (1.0 - self.betas).cumprod(dim=0)

    @cached_property
    def _tables(self) -> tuple[Tensor, Tensor]:
        abar = torch.cat([torch.ones(1, dtype=torch.float64), self.alphas_cumprod])
        return abar.sqrt(), (1.0 - abar).sqrt()  # entry t + 1 belongs to time t

    def levels(self, t: Time, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return (sqrt(abar_t), sqrt(1 - abar_t)), broadcastable against `like` (B, ...).

        Raises ConfigError where an int t lies outside -1..T-1.
        """
        signal, noise = self._tables
        if isinstance(t, int):
            if not -1 <= t < self.steps:
                raise ConfigError(f"diffusion time {t}; it must lie in -1..{self.steps - 1}")
            return signal[t + 1].to(like), noise[t + 1].to(like)
        index = t.long() + 1
        shape = (*t.shape, *[1] * (like.ndim - t.ndim))
        signal, noise = (table.to(t.device)[index].to(like) for table in (signal, noise))
        return signal.view(shape), noise.view(shape)

    def noise_level(self, t: int) -> float:
        """Return sqrt(1 - abar_t) as a number."""
        return float(self._tables[1][t + 1])

    def add_noise(self, x0: Tensor, noise: Tensor, t: Time) -> Tensor:
        """Return x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) e."""
        signal, sigma = self.levels(t, x0)
        return signal * x0 + sigma * noise

    def velocity(self, x0: Tensor, noise: Tensor, t: Time) -> Tensor:
        """Return v = sqrt(abar_t) e - sqrt(1 - abar_t) x_0."""
        signal, sigma = self.levels(t, x0)
        return signal * noise - sigma * x0

    def target(self, prediction: str, x0: Tensor, noise: Tensor, t: Time) -> Tensor:
        """Return what a network of this `prediction` type should say about (x_0, e, t)."""
        check_prediction(prediction)
        if prediction == "epsilon":
            return noise
        return x0 if prediction == "sample" else self.velocity(x0, noise, t)

    def predict_x0(self, prediction: str, output: Tensor, x_t: Tensor, t: Time) -> Tensor:
        """Return x_0-hat from a network's `output` at x_t."""
        check_prediction(prediction)
        if prediction == "sample":
            return output
        signal, sigma = self.levels(t, x_t)
        if prediction == "epsilon":
            return (x_t - sigma * output) / signal
        return signal * x_t - sigma * output

    def predict_noise(self, prediction: str, output: Tensor, x_t: Tensor, t: Time) -> Tensor:
        """Return e-hat from a network's `output` at x_t (t >= 0)."""
        check_prediction(prediction)
        if prediction == "epsilon":
            return output
        signal, sigma = self.levels(t, x_t)
        if prediction == "sample":
            return (x_t - signal * output) / sigma
        return sigma * x_t + signal * output


def check_prediction(prediction: str) -> None:
    """Raise ConfigError unless `prediction` is one of PREDICTIONS."""
    if prediction not in PREDICTIONS:
        raise ConfigError(f"prediction type {prediction!r}; choose one of {list(PREDICTIONS)}")
