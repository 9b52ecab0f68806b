"""The loop that teacher and student share: AdamW, averaging, exact resume, a log.

A step's batch and noise follow from (seed, step), so a run that stops and resumes is bit for bit
the run that did not; the saved state is the weights, their average, the optimiser and the step.
"""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from asynfusion_ros.errors import DataError
from asynfusion_ros.training.devices import Crew, autocast, choose_device
from asynfusion_ros.training.settings import TrainSettings

StepLoss = Callable[[Any, int, torch.Generator], Tensor]
"""Of the network, the number that decides the batch, and the noise's generator."""
Validate = Callable[[], dict[str, float]]
Report = Callable[[int, dict[str, float]], None]

STATE_FILE = "state.safetensors"
_MOMENTS = ("exp_avg", "exp_avg_sq")
_FREE = (
    *("save_every", "validate_every", "device", "precision", "compile", "threads", "minutes"),
    *("mouth_temperature", "eyes_temperature", "lids_temperature", "shared_noise"),
    *("bursts", "burst_voice"),
)
"""Settings that may differ when a run is resumed."""


class _Loss(nn.Module):
    """The loss as a module, so that its gradients can be shared between processes."""

    def __init__(self, network: nn.Module, loss_of: StepLoss) -> None:
        super().__init__()
        self.network = network
        self._loss_of = loss_of

    def forward(self, draw: int, generator: torch.Generator) -> Tensor:
        return self._loss_of(self.network, draw, generator)


class Trainer:
    """Optimises `network` and keeps its exponential average in `average` (same architecture)."""

    def __init__(
        self, network: nn.Module, average: nn.Module, settings: TrainSettings, folder: Path
    ) -> None:
        """Begin at step 0, or where `folder` was left by the same settings.

        Raises DataError where the folder belongs to a run with others.
        """
        self.device = choose_device(settings.device)
        self.crew = Crew.join(self.device)
        self.network, self.average = network.to(self.device), average.to(self.device)
        self.settings = settings
        self.folder = Path(folder)
        self.step = 0
        self._optimiser = torch.optim.AdamW(
            network.parameters(),
            lr=settings.learning_rate,
            betas=(0.9, 0.99),
            weight_decay=settings.weight_decay,
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        if (self.folder / STATE_FILE).is_file():
            self._resume()

    @property
    def finished(self) -> bool:
        """Whether the last step is done."""
        return self.step >= self.settings.steps

    def learning_rate(self) -> float:
        """Return the rate of the present step: linear warm-up, then a cosine down to 1 %."""
        s = self.settings
        if self.step < s.warmup_steps:
            return s.learning_rate * (self.step + 1) / s.warmup_steps
        done = (self.step - s.warmup_steps) / max(1, s.steps - s.warmup_steps)
        cosine = 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))
        return s.learning_rate * (0.01 + 0.99 * cosine)

    def run(self, loss_of: StepLoss, validate: Validate, report: Report | None = None) -> None:
        """Train to the last step, or until `minutes` are over.

        Raises DataError if the loss is no longer finite.
        """
        begin_s = time.monotonic()
        if self.settings.compile:
            self.network.compile()
        lossy = self.crew.share(_Loss(self.network, loss_of))
        total = torch.zeros((), device=self.device)
        since = self.step
        while not self.finished:
            total += self._advance(lossy)
            done, last = self.step, self.finished
            paused = self._is_late(begin_s)
            if self.crew.leads:
                if done % self.settings.validate_every == 0 or last:
                    self._validate(float(total) / (done - since), validate, report)
                    total, since = torch.zeros((), device=self.device), done
                elif report is not None:
                    report(done, {})
                if done % self.settings.save_every == 0 or last or paused:
                    self.save()
            if paused:
                break
        self.crew.wait()

    def _is_late(self, begin_s: float) -> bool:
        """Tell whether any process has used up the minutes."""
        limit_s = 60.0 * self.settings.minutes
        return limit_s > 0.0 and self.crew.any(time.monotonic() - begin_s > limit_s)

    def _validate(self, loss: float, validate: Validate, report: Report | None) -> None:
        figures = {"loss": loss, **validate()}
        if not math.isfinite(loss):
            raise DataError(f"the loss is {loss} at step {self.step}; lower the rate")
        self._log(figures)
        if report is not None:
            report(self.step, figures)

    def _advance(self, lossy: nn.Module) -> Tensor:
        draw = self.step * self.crew.size + self.crew.rank
        generator = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + draw)
        for group in self._optimiser.param_groups:
            group["lr"] = self.learning_rate()
        with autocast(self.device, self.settings.precision):
            loss = lossy(draw, generator)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.gradient_clip)
        self._optimiser.step()
        self.step += 1
        # A young average follows fast, or it would remember the random start.
        decay = min(self.settings.ema_decay, (1.0 + self.step) / (10.0 + self.step))
        with torch.no_grad():
            pairs = zip(self.average.parameters(), self.network.parameters(), strict=True)
            for mean, own in pairs:
                mean.lerp_(own, 1.0 - decay)
        return torch.as_tensor(loss.detach().float())

    def save(self) -> None:
        """Write the state, whole or not at all."""
        tensors = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.state_dict().items()}
        for name, parameter in self.network.named_parameters():
            for moment, value in self._optimiser.state.get(parameter, {}).items():
                tensors[f"{moment}.{name}"] = value
        tensors = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
        record = {"step": str(self.step), "settings": json.dumps(self.settings.to_dict())}
        fresh = self.folder / f"{STATE_FILE}.new"
        save_file(tensors, fresh, metadata=record)
        fresh.replace(self.folder / STATE_FILE)

    def _resume(self) -> None:
        path = self.folder / STATE_FILE
        self._check_settings(path)
        try:
            tensors = load_file(path)
            self.network.load_state_dict(_part(tensors, "network."))
            self.average.load_state_dict(_part(tensors, "average."))
        except (SafetensorError, RuntimeError) as error:
            raise DataError(
                f"{path} does not fit this configuration ({error}); give another folder to start "
                "anew, or the configuration it was begun with"
            ) from error
        # A parameter without a gradient is passed over, so the largest count is the run's.
        counts = [int(v) for k, v in tensors.items() if k.startswith("step.")]
        self.step = max(counts, default=0)
        for name, parameter in self.network.named_parameters():
            state = {m: tensors[f"{m}.{name}"] for m in _MOMENTS if f"{m}.{name}" in tensors}
            if state:
                moved = {m: v.to(parameter.device) for m, v in state.items()}
                count = tensors[f"step.{name}"]
                self._optimiser.state[parameter] = {"step": count, **moved}

    def _check_settings(self, path: Path) -> None:
        """Raise DataError where the run was begun with settings that change its course."""
        try:
            with safe_open(path, framework="pt") as file:
                begun = json.loads(file.metadata()["settings"])
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{path} is no state of a run ({error!r}); give another folder"
            ) from error
        ours = self.settings.to_dict()
        other = {
            name: (begun[name], value)
            for name, value in ours.items()
            if name in begun and begun[name] != value and name not in _FREE
        }
        if other:
            raise DataError(
                f"{self.folder} was begun with other settings, then and now: {other}; give another "
                "folder to start anew, or the settings it was begun with"
            )

    def _log(self, figures: dict[str, float]) -> None:
        path = self.folder / "log.csv"
        row = {"step": self.step, "learning_rate": self.learning_rate(), **figures}
        new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if new:
                writer.writeheader()
            writer.writerow(row)


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
