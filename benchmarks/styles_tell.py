"""How much of what tells people apart the styles could tell.

python benchmarks/styles_tell.py --data data

Takes the mean face and the mean body of each training and validation take that was wholly measured,
and predicts each take's by ridge regression on the styles of the others (leave one out). Prints
the share of the variance between takes that is explained, with all styles and without those that
tell left from right, and beside it with the styles of other takes (shuffled), for chance.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asynfusion_ros.evaluation.takes import read_takes
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.manner import (
    BODY_STYLES,
    PIECE_FRAMES,
    SIDED_STYLES,
    STYLE_NAMES,
    describe_style,
)

Array = npt.NDArray[np.float64]

SETS = {
    "all": STYLE_NAMES,
    "without those of a side": tuple(n for n in STYLE_NAMES if n not in SIDED_STYLES),
}


def explain(means: Array, styles: Array) -> float:
    """Return the share of the variance of means (N, D) that styles (N, S) of the others tell."""
    known = np.column_stack([styles, np.full(len(styles), 1e3)])  # the last: hardly shrunk
    hat = known @ np.linalg.inv(known.T @ known + np.eye(known.shape[1])) @ known.T
    error = (means - hat @ means) / (1.0 - np.diag(hat))[:, None]
    return float(1.0 - (error**2).sum() / ((means - means.mean(axis=0)) ** 2).sum())


def read_means(clips: list[MotionClip], kind: str) -> tuple[Array, Array]:
    """Return the mean (N, D), each channel over its spread in time, and the styles (N, S)."""
    whole = [c for c in clips if getattr(c, f"{kind}_mask") is None or is_whole(c, kind)]
    motion = [np.asarray(getattr(clip, kind), np.float64) for clip in whole]
    spread = np.sqrt(np.mean([values.var(axis=0) for values in motion], axis=0))
    moves = spread > 0.1 * np.median(spread)
    means = np.stack([values.mean(axis=0) for values in motion])[:, moves] / spread[moves]
    styles = np.stack([describe_style(clip)[0] for clip in whole]).astype(np.float64)
    return means, (styles - styles.mean(axis=0)) / styles.std(axis=0)


def is_whole(clip: MotionClip, kind: str) -> bool:
    """Tell whether every channel was measured throughout."""
    return bool(np.min(getattr(clip, f"{kind}_mask")) > 0)


def main() -> None:
    """Read, explain, print a Markdown table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    takes = read_takes(parser.parse_args().data)
    clips = [t.clip for t in takes if t.split != "test" and len(t.clip) >= PIECE_FRAMES]
    print("| | takes | styles | explained | by other takes' |\n|---|---|---|---|---|")
    for kind in ("face", "body"):
        means, styles = read_means(clips, kind)
        order = np.random.default_rng(0).permutation(len(means))
        for words, names in SETS.items():
            told = [(name in BODY_STYLES) == (kind == "body") for name in STYLE_NAMES]
            columns = np.isin(STYLE_NAMES, names) & np.array(told)
            by_own, by_other = (explain(means, s[:, columns]) for s in (styles, styles[order]))
            print(f"| {kind} | {len(means)} | {words} | {by_own:.2f} | {by_other:.2f} |")


if __name__ == "__main__":
    main()
