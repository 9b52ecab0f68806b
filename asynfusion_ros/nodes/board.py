"""What the board beside the avatar says in RViz: a few lines, and how loud it is; no ROS."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from asynfusion_ros.nodes.health import (
    BAD,
    OK,
    PREFIX,
    WARN,
    Health,
    count_losses,
    to_number,
    to_plain,
)

QUIETEST_DB = -60.0
SILENT_AFTER_S = 0.3
_FALL_DB_S = 40.0
_MOST_NODES, _MOST_LOSSES, _MOST_LETTERS = 6, 3, 80


class LevelMeter:
    """The level of a sound in dB of full scale: up at once, down slowly, as meters do."""

    def __init__(self) -> None:
        """Begin in silence."""
        self._level_db, self._heard_s = QUIETEST_DB, float("-inf")

    def add(self, samples: npt.NDArray[np.float32], now_s: float) -> None:
        """Take samples (N,) in -1..1 that were heard now; those that are no numbers are silent."""
        sound = np.nan_to_num(np.asarray(samples, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
        if not sound.size:
            return
        power = float(np.mean(np.clip(sound, -1.0, 1.0) ** 2))
        self._level_db = max(10.0 * np.log10(max(power, 1e-12)), self.level_db(now_s))
        self._heard_s = now_s

    def level_db(self, now_s: float) -> float:
        """Return the level [dB], QUIETEST_DB to 0; QUIETEST_DB where nothing is heard any more."""
        age_s = max(0.0, now_s - self._heard_s)
        if age_s > SILENT_AFTER_S:
            return QUIETEST_DB
        return min(0.0, max(QUIETEST_DB, self._level_db - _FALL_DB_S * age_s))

    def share(self, now_s: float) -> float:
        """Return the level as a share of the meter's height, 0 to 1."""
        return 1.0 - self.level_db(now_s) / QUIETEST_DB


def render_board(health: Mapping[str, Health], now_s: float) -> tuple[str, str]:
    """Return the text, and the style of the worst that it tells: ok, warn or bad."""
    if not health:
        return "the avatar loads, or does not run", WARN
    lines, styles = [], []
    shown = sorted(health.items())[:_MOST_NODES]
    for name, entry in shown:
        said, style = entry.judge(now_s)
        styles.append(style)
        lines.append(to_plain(f"{name.removeprefix(PREFIX)}: {said}"))
    for _, entry in shown:
        if "real_time_factor" in entry.values:
            lines += _engine_lines(entry.values)
    worst = next(style for style in (BAD, WARN, OK) if style in styles)
    return "\n".join(line[:_MOST_LETTERS] for line in lines), worst


def _engine_lines(values: Mapping[str, str]) -> list[str]:
    def number(name: str) -> float:
        return to_number(values.get(name, ""))

    losses = sorted(count_losses(values), reverse=True)[:_MOST_LOSSES]
    return [
        f"{1e3 * number('output_delay_s'):.0f} ms from sound to pose",
        f"{number('real_time_factor'):.2f} of real time, window {number('window_ms_p50'):.0f} of "
        f"{1e3 * number('hop_s'):.0f} ms",
        *(f"{count:.0f} {said}" for count, said in losses),
    ]
