"""Who moves in each take of prepared windows: their styles, and what they rest in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.manner import STYLE_NAMES, describe_style, mirror_style
from asynfusion_ros.motion.normalisation import ChannelStatistics
from asynfusion_ros.motion.people import measure_correlation
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.training.prepared import JoinedArray, Rows

Array = npt.NDArray[Any]

_FPS_HZ = 30.0
_WINDOWS = 40  # of a take tell its style well enough


class TakePeople:
    """The people of takes, measured on their windows when first asked for."""

    def __init__(self, arrays: Mapping[str, JoinedArray], take: Rows, train: Rows) -> None:
        """Take the windows' arrays, the take (N,) of each, and which of them train."""
        self._arrays, self._take = arrays, take
        self._count = int(take.max()) + 1
        self._taught = np.unique(take[train])

    @cached_property
    def styles(self) -> Array:
        """Styles of each take (takes, S), the mean over its windows; NaN where not measured."""
        styles = np.full((self._count, len(STYLE_NAMES)), np.nan, np.float32)
        skeleton = Skeleton.load()
        for take, rows in self._windows():
            found = [describe_style(self.clip(int(row)), skeleton) for row in rows]
            values, known = (np.stack(part) for part in zip(*found, strict=True))
            styles[take] = np.where(known.all(axis=0), values.mean(axis=0), np.nan)
        return styles

    @cached_property
    def rests(self) -> dict[str, Array]:
        """Mean "face" (takes, 51) and "body" (takes, 24) of each take."""
        rests = {
            kind: np.zeros((self._count, self._arrays[kind].read([0]).shape[-1]), np.float32)
            for kind in ("face", "body")
        }
        for take, rows in self._windows():
            for kind, means in rests.items():
                means[take] = self._arrays[kind].read(rows).mean(axis=(0, 1))
        return rests

    @property
    def _taught_styles(self) -> Array:
        """Styles (2 N, S) of the training takes, and of them seen in a mirror."""
        styles = self.styles[self._taught]
        return np.concatenate([styles, mirror_style(styles)])

    def measure(self) -> ChannelStatistics:
        """Return mean and spread of each style over the training takes that tell it."""
        styles = self._taught_styles
        return ChannelStatistics.from_arrays(np.nan_to_num(styles), np.isfinite(styles))

    def correlate(self) -> npt.NDArray[np.float32]:
        """Return how the styles (S, S) of the training takes go together."""
        return measure_correlation(self._taught_styles)

    def clip(self, row: int) -> MotionClip:
        """Return the motion of a window."""
        data = {k: self._arrays[k].read([row])[0] for k in ("face", "body")}
        masks = [
            np.broadcast_to(self._arrays[f"{k}_mask"].read([row])[0], v.shape)
            for k, v in data.items()
        ]
        return MotionClip(_FPS_HZ, data["face"], data["body"], *masks)

    def _windows(self) -> Iterator[tuple[int, Rows]]:
        """Yield each take and the windows that tell about it."""
        for take in np.unique(self._take):
            rows = np.flatnonzero(self._take == take)
            yield int(take), rows[:: max(1, len(rows) // _WINDOWS)]
