"""Channel statistics: to zero mean and unit variance, and back by construction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asynfusion_ros.errors import ConfigError

Array = npt.NDArray[np.float32]

MIN_STD = 1e-4
"""Channels that vary less than this are divided by 1, so that constants stay finite."""


@dataclass(frozen=True)
class ChannelStatistics:
    """Mean and standard deviation of each channel, both (D,)."""

    mean: Array
    std: Array

    def __post_init__(self) -> None:
        """Raise ConfigError unless both are finite vectors of one length and std >= 0."""
        mean, std = np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
        if mean.ndim != 1 or mean.shape != std.shape:
            raise ConfigError(f"statistics of shapes {mean.shape} and {std.shape}; both need (D,)")
        if not (np.isfinite(mean).all() and np.isfinite(std).all() and (std >= 0).all()):
            raise ConfigError("statistics must be finite, and standard deviations not negative")
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "std", np.where(std < MIN_STD, 1.0, std).astype(np.float32))

    def normalise(self, values: npt.ArrayLike) -> Array:
        """Return (values - mean) / std for values (..., D)."""
        return (np.asarray(values, np.float32) - self.mean) / self.std

    def unnormalise(self, values: npt.ArrayLike) -> Array:
        """Return values * std + mean, the inverse of `normalise`."""
        return np.asarray(values, np.float32) * self.std + self.mean

    @classmethod
    def from_arrays(
        cls, values: npt.ArrayLike, weights: npt.ArrayLike | None = None
    ) -> ChannelStatistics:
        """Measure values (N, D); `weights` (N,) or (N, D) in 0..1 says what counts."""
        rows = np.asarray(values, np.float64)
        share = np.ones_like(rows)
        if weights is not None:
            given = np.asarray(weights, np.float64)
            share = np.broadcast_to(
                given if given.ndim == rows.ndim else given[:, None], rows.shape
            )
        total = np.maximum(share.sum(axis=0), 1e-9)
        mean = (share * rows).sum(axis=0) / total
        variance = (share * (rows - mean) ** 2).sum(axis=0) / total
        return cls(mean.astype(np.float32), np.sqrt(variance).astype(np.float32))

    def to_dict(self) -> dict[str, list[float]]:
        """Return plain lists for JSON."""
        return {"mean": [float(v) for v in self.mean], "std": [float(v) for v in self.std]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ChannelStatistics:
        """Read what `to_dict` gave; raise ConfigError otherwise."""
        try:
            return cls(
                np.asarray(values["mean"], np.float32), np.asarray(values["std"], np.float32)
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"statistics need lists 'mean' and 'std': {error!r}") from error
