"""How much a model knows of what a face rests in, from its voice, and from its style.

python benchmarks/resting_faces.py --data data --checkpoint models/small

Asks the teacher for the clean face of two seconds of each take from pure noise, once by the sound
alone and once told the take's styles as well, and compares the means of its channels with the true
ones: the share of what differs between takes that it explains (R2 over channels, each channel's
mean over the takes taken off). A voice that nobody could know tells nothing; a model that explains
training takes by sound alone knows them by heart.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from asynfusion_ros.data.recording import Recording
from asynfusion_ros.evaluation.takes import read_takes
from asynfusion_ros.networks import MannerBatch
from asynfusion_ros.sampling.checkpoint import Checkpoint
from asynfusion_ros.streaming.generator import open_extractor
from asynfusion_ros.streaming.windows import FPS_HZ, SAMPLE_RATE_HZ

FIRST_FRAME, FRAMES = 30, 60
SPLITS = {"training takes": ("train",), "held-out takes": ("val", "test")}


def explain(checkpoint: Checkpoint, takes: Sequence[Recording], told: bool) -> float:
    """Return R2 of the face's channels' means over takes that were wholly measured."""
    about, network = checkpoint.description, checkpoint.network("ddim").eval()
    extractor = open_extractor(about)
    begin = round(FIRST_FRAME * SAMPLE_RATE_HZ / FPS_HZ)
    sounds = [np.resize(take.samples[begin:], extractor.samples_needed) for take in takes]
    audio = torch.from_numpy(
        np.stack([about.audio.normalise(extractor.extract(sound)) for sound in sounds])
    )
    size, last = len(takes), about.schedule.steps - 1
    style = torch.full((size, len(about.style_names)), torch.nan)
    if told:
        style = torch.tensor([about.people.measure(take.clip) for take in takes])
    generator = torch.Generator().manual_seed(0)
    noise = [torch.randn(size, FRAMES, width, generator=generator) for width in (51, 24)]
    times = torch.full((size,), last)
    with torch.inference_mode():
        manner = MannerBatch(torch.zeros(size, dtype=torch.long), style, None)
        condition = network.condition(audio, manner, torch.ones(size, dtype=torch.bool))
        output, _ = network(*noise, times, times, condition)
        face = about.schedule.predict_x0(about.prediction, output, noise[0], times)
    rows = slice(FIRST_FRAME, FIRST_FRAME + FRAMES)
    truth = np.stack([about.face.normalise(take.clip.face[rows]).mean(axis=0) for take in takes])
    moves = about.face.std < 1.0
    truth, found = truth[:, moves], face.mean(dim=1).numpy()[:, moves]
    wrong = (found - found.mean(axis=0)) - (truth - truth.mean(axis=0))
    return float(1.0 - (wrong**2).mean() / truth.var(axis=0).mean())


def main() -> None:
    """Ask, compare, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    arguments = parser.parse_args()
    checkpoint = Checkpoint.load(arguments.checkpoint)
    whole = [
        take
        for take in read_takes(arguments.data)
        if take.clip.face_mask is None and len(take.clip) >= FIRST_FRAME + FRAMES
    ]
    for name, splits in SPLITS.items():
        takes = [take for take in whole if take.split in splits]
        by_sound, by_style = (explain(checkpoint, takes, told) for told in (False, True))
        print(f"{name}: R2 {by_sound:.2f} by sound, {by_style:.2f} by sound and style")


if __name__ == "__main__":
    main()
