"""Everything that a window brings to a device, in one piece of memory and one copy."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

_ALIGN_BYTES = 64

Layout = Mapping[str, tuple[torch.dtype, tuple[int, ...]]]
"""Type and shape of each tensor by name."""


class Tray:
    """Tensors that lie side by side on the host, page-locked, and on the device at fixed places."""

    def __init__(self, layout: Layout, device: torch.device) -> None:
        """Lay out zeros."""
        sizes = {n: math.prod(shape) * kind.itemsize for n, (kind, shape) in layout.items()}
        places, total = {}, 0
        for name, size in sizes.items():
            places[name] = slice(total, total + size)
            total += -(-size // _ALIGN_BYTES) * _ALIGN_BYTES
        locked = device.type == "cuda"
        self._host = torch.zeros(total, dtype=torch.uint8, pin_memory=locked)
        self._device = torch.zeros(total, dtype=torch.uint8, device=device)
        self._below: dict[str, Tensor] = {}
        self._above: dict[str, Tensor] = {}
        for name, (kind, shape) in layout.items():
            self._above[name] = self._host[places[name]].view(kind).view(shape)
            self._below[name] = self._device[places[name]].view(kind).view(shape)
        self._ready_made: dict[str, Tensor] = {}

    def __getitem__(self, name: str) -> Tensor:
        """Return a tensor on the device, always at the same place."""
        return self._below[name]

    def put(self, name: str, values: Tensor, dim: int = 0) -> None:
        """Lay the first rows along `dim` of a tensor; the others keep what they held.

        Nothing may be put while `send` is under way. Values that lie on the device wait there.
        """
        if values.device.type == "cpu":
            self._above[name].narrow(dim, 0, values.shape[dim]).copy_(values)
        else:
            self._ready_made[name] = values

    def send(self) -> None:
        """Queue the copy of all of it to the device, on the present stream."""
        self._device.copy_(self._host, non_blocking=True)
        for name, values in self._ready_made.items():
            self._below[name][: values.shape[0]].copy_(values, non_blocking=True)
        self._ready_made = {}
