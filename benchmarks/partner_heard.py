"""How much a branch gains by hearing its partner: the error of its clean motion, with and without.

python benchmarks/partner_heard.py --prepared recordings --checkpoint models/small

The teacher removes noise from one branch of validation windows while the other branch is clean, is
as noisy, or is noise alone. Prints by how much the error of each part falls, in percent of its
error beside noise alone: 0 means that the branch does not listen.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.training.batches import PreparedWindows, Statistics
from asynfusion_ros.training.settings import TrainSettings
from asynfusion_ros.training.teacher import TeacherObjective

TIMES = (200, 300, 400, 550)  # noise of 0.7, 1.2, 2 and 4.6 of the signal
WINDOWS = 400
FACE = {"brows": ("brow",), "lids": ("eyeBlink",), "gaze": ("eyeLook",), "mouth": ("mouth", "jaw")}
BODY = {
    "head": ("head",),
    "arms": tuple(n for n in Skeleton.load().joint_names if n not in ("chest", "head")),
}


def main() -> None:
    """Noise windows, hear or not, print a Markdown table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--prepared", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    arguments = parser.parse_args()
    checkpoint = Checkpoint.load(arguments.checkpoint)
    about, network = checkpoint.description, checkpoint.network("ddim").eval()
    statistics, settings = Statistics.of(about), TrainSettings(known_share=0.0)
    objective = TeacherObjective(
        PreparedWindows(arguments.prepared), statistics, about.schedule, settings
    )
    batch = objective.windows.validation(settings, statistics, WINDOWS)
    generator = torch.Generator().manual_seed(0)
    noise = [torch.randn(x.shape, generator=generator) for x in (batch.face, batch.body)]
    weights = (batch.face_mask * batch.has_face[:, None, None], batch.body_mask)

    def errors(branch: int, time: int, partner: int) -> Tensor:
        """Return the mean squared error of each channel (D,) where it was measured."""
        times = [torch.full((len(batch.face),), partner)] * 2
        times[branch] = torch.full((len(batch.face),), time)
        clean = (batch.face, batch.body)
        x = [about.schedule.add_noise(*each) for each in zip(clean, noise, times, strict=True)]
        with torch.inference_mode():
            found = objective.predict(
                network, batch, (x[0], x[1]), (times[0], times[1]), about.prediction
            )
        wrong = (found[branch] - clean[branch]) ** 2 * weights[branch]  # (B, T, D)
        return wrong.sum(dim=(0, 1)) / weights[branch].expand_as(wrong).sum(dim=(0, 1))

    print(f"| | partner | {' | '.join(f't = {time}' for time in TIMES)} |")
    print("|---" * (len(TIMES) + 2) + "|")
    joints = np.repeat(Skeleton.load().joint_names, 3)
    for branch, parts, names in ((0, FACE, FACE_NAMES), (1, BODY, joints)):
        gains = {}
        for time in TIMES:
            alone = errors(branch, time, about.schedule.steps - 1)
            for label, partner in (("clean", 0), ("as noisy", time)):
                own = errors(branch, time, partner)
                for part, beginnings in parts.items():
                    there = torch.tensor([str(name).startswith(beginnings) for name in names])
                    gains[part, label, time] = float(1.0 - own[there].mean() / alone[there].mean())
        for part in parts:
            for label in ("clean", "as noisy"):
                cells = (f"{gains[part, label, time]:.1%}" for time in TIMES)
                print(f"| {part} | {label} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
