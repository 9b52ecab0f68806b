"""What the paper's tables 1 to 4 compare, and the runs that it takes to make each of them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from asynfusion_ros.errors import ConfigError
from asynfusion_ros.networks import DualBranchDiT, NetworkSettings
from asynfusion_ros.sampling.guidance import PLAIN, Guidance
from asynfusion_ros.sampling.settings import SamplerSettings
from asynfusion_ros.training.settings import DistillSettings, TrainSettings

DDIM_STEPS = 25
_DISTANCES = ("fmd", "fed", "fgd")


@dataclass(frozen=True)
class Variant:
    """A row of a table: how branches listen, and how motion is sampled."""

    name: str
    title: str
    interaction: str = "cosync"
    method: str = "ddim"
    steps: tuple[int, int] = (DDIM_STEPS, DDIM_STEPS)
    coupling: str = "synchronous"

    def sampler(self, execution: str = "sequential", guidance: Guidance = PLAIN) -> SamplerSettings:
        """Return how its windows are sampled; `guidance` is for DDIM, students have it inside."""
        lead = guidance if self.method == "ddim" else PLAIN
        return SamplerSettings(
            method=self.method,
            expression_steps=self.steps[0],
            gesture_steps=self.steps[1],
            coupling=self.coupling,
            execution=execution,
            pacing="parallel" if self.coupling == "asynchronous" else "free",
            guidance=lead.face,
            mouth_guidance=lead.mouth,
            gesture_guidance=lead.body,
            timeout_s=600.0,
        )


@dataclass(frozen=True)
class Table:
    """One of the paper's tables: its rows, figures, the paper's values, and what else stands in it.

    `paper` has the paper's figures of each variant, in the order of `figures`.
    """

    name: str
    title: str
    variants: tuple[Variant, ...]
    figures: tuple[str, ...]
    paper: Mapping[str, Sequence[float]] = field(default_factory=dict)
    controls: bool = False
    timed: bool = False


_FEW_SYNC = Variant("lcm-8-8", "LCM 8/8, synchronous", method="lcm", steps=(8, 8))
_FEW_ASYNC = Variant(
    "lcm-4-8", "LCM 4/8, asynchronous", method="lcm", steps=(4, 8), coupling="asynchronous"
)
_COSYNC = Variant("cosync", "CoSync (both ways, cross-attention)")
_E2G = Variant("e2g", "expression to gesture only", "e2g")
_NAIVE = Variant("concat", "both ways, concatenated", "concat")

TABLES: dict[str, Table] = {
    "table1": Table(
        "table1",
        "Table 1: ours, a one-way model of the DiffSHEG form, and controls",
        (
            Variant("cosync", "ours, DDIM 25/25"),
            _FEW_ASYNC,
            Variant("e2g", "one way, DiffSHEG form, DDIM 25/25", "e2g"),
        ),
        (
            *("fmd", "fed", "expression_diversity", "fgd"),
            *("beat_alignment_motion", "gesture_diversity"),
        ),
        {
            "cosync": (312.46, 316.97, 0.565, 421.58, 0.917, 0.561),
            "e2g": (324.67, 331.72, 0.539, 438.93, 0.914, 0.536),
        },
        controls=True,
    ),
    "table2": Table(
        "table2",
        "Table 2: what each branch hears of the other",
        (
            Variant("none", "nothing", "none"),
            _E2G,
            Variant("g2e", "gesture to expression only", "g2e"),
            _NAIVE,
            _COSYNC,
        ),
        _DISTANCES,
        {
            "none": (352.14, 341.56, 471.42),
            "e2g": (321.37, 327.94, 435.24),
            "g2e": (343.72, 342.58, 457.83),
            "concat": (340.16, 340.23, 467.33),
            "cosync": (312.46, 316.97, 421.58),
        },
    ),
    "table3": Table(
        "table3",
        "Table 3: how the branches are fused",
        (_NAIVE, Variant("gated", "both ways, gated (eq. 19)", "gated"), _COSYNC),
        _DISTANCES,
        {
            "concat": (340.16, 340.23, 467.33),
            "gated": (325.46, 329.15, 443.74),
            "cosync": (312.46, 316.97, 421.58),
        },
    ),
    "table4": Table(
        "table4",
        "Table 4: sampling strategies",
        (Variant("ddim-25-25", "DDIM 25/25"), _FEW_SYNC, _FEW_ASYNC),
        ("fmd", "fed", "fgd", "mouth_correlation", "head_voice_coordination", "body_jerk_ratio"),
        {"ddim-25-25": (312.46,), "lcm-8-8": (318.13,), "lcm-4-8": (320.59,)},
        timed=True,
    ),
}

PAPER_SECONDS = {"ddim-25-25": 56.4, "lcm-8-8": 18.6, "lcm-4-8": 15.9}
"""Table 4's times, of a sequence and a machine that the paper does not name."""


@dataclass(frozen=True)
class Run:
    """A network to be trained: its interaction and seed, and whether it is distilled as well."""

    interaction: str
    seed: int
    distilled: bool

    @property
    def name(self) -> str:
        """Folder of the run; tables share runs of one name."""
        return f"{self.interaction}-seed{self.seed}"


def runs_of(table: Table, seeds: int) -> list[Run]:
    """Return the networks that a table needs, in order; raise ConfigError below one seed."""
    if seeds < 1:
        raise ConfigError(f"{seeds} seeds; at least one run of each variant is needed")
    interactions = dict.fromkeys(variant.interaction for variant in table.variants)
    few = {variant.interaction for variant in table.variants if variant.method == "lcm"}
    return [Run(name, seed, name in few) for seed in range(seeds) for name in interactions]


_SECONDS = 4e-9
"""Of training, per window and parameter, on two CPU cores."""


def estimate_s(run: Run, parameters: int, train: TrainSettings, distill: DistillSettings) -> float:
    """Return about how long a run takes to train on two CPU cores [s]; distilling costs 1.4 times.

    Good to a factor of two on an idle machine.
    """
    windows = train.steps * train.batch
    if run.distilled:
        windows += round(1.4 * distill.steps * distill.batch)
    return _SECONDS * parameters * windows


def count_parameters(network: NetworkSettings) -> int:
    """Return the number of weights of a network, without drawing them."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in DualBranchDiT(network).parameters())
