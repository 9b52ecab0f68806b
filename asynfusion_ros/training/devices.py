"""Where training runs: a CPU, a GPU, or one of several processes that torchrun has started."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from asynfusion_ros.errors import ConfigError


def choose_device(wanted: str) -> torch.device:
    """Return the device for 'auto', 'cpu' or 'cuda'; under torchrun each process has its own GPU.

    Raises ConfigError where CUDA is asked for and absent.
    """
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ConfigError("device is 'cuda', and torch finds no GPU; set device=cpu or auto")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


@dataclass(frozen=True)
class Crew:
    """The processes that train together: `rank` of this one among `size`."""

    rank: int
    size: int

    @classmethod
    def join(cls, device: torch.device) -> Crew:
        """Meet the processes that torchrun started; alone where it started none."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            return cls(0, 1)
        if not distributed.is_initialized():
            distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        return cls(distributed.get_rank(), size)

    @property
    def leads(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    def share(self, loss: nn.Module) -> nn.Module:
        """Return `loss` such that its gradients are the mean over all processes."""
        if self.size == 1:
            return loss
        # A batch need not reach every weight: a branch that does not listen, no style given.
        return DistributedDataParallel(loss, find_unused_parameters=True)

    def any(self, flag: bool) -> bool:
        """Tell whether `flag` is set in any process; all must ask."""
        if self.size == 1:
            return flag
        device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
        flags = torch.tensor(float(flag), device=device)
        distributed.all_reduce(flags, distributed.ReduceOp.MAX)
        return bool(flags.item())

    def wait(self) -> None:
        """Wait until all are here."""
        if self.size > 1:
            distributed.barrier()


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Return the context in which networks compute in bf16, or do nothing for fp32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
