"""What `asynfusion top` shows: lines of text from diagnostics and the rates of topics; no ROS."""

from __future__ import annotations

import itertools
import shutil
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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

SPAN_S = 5.0
BAR_WIDTH = 20

DIM = "dim"
_ANSI = {OK: "32", WARN: "33", BAD: "31;1", DIM: "2", "": ""}


@dataclass
class Meter:
    """When messages of a topic came lately."""

    times_s: deque[float] = field(default_factory=lambda: deque(maxlen=2000))

    def add(self, now_s: float) -> None:
        """Take one message."""
        self.times_s.append(now_s)

    def rate_hz(self, now_s: float) -> float:
        """Return messages per second over the last SPAN_S."""
        return sum(at_s > now_s - SPAN_S for at_s in self.times_s) / SPAN_S

    def worst_gap_ms(self, now_s: float) -> float:
        """Return the longest time between two messages of the last SPAN_S [ms]."""
        recent = [at_s for at_s in self.times_s if at_s > now_s - SPAN_S]
        gaps = [b - a for a, b in itertools.pairwise(recent)]
        return 1e3 * max(gaps, default=0.0)


Line = list[tuple[str, str]]  # pieces of text, each with a style


def render_screen(
    health: Mapping[str, Health], meters: Mapping[str, Meter], now_s: float
) -> list[Line]:
    """Return the lines to show; entries of nodes that were not heard for OLD_S are marked."""
    avatar = health.get(f"{PREFIX}avatar")
    lines: list[Line] = [[("asynfusion top", OK), ("   Ctrl-C ends", DIM)], []]
    lines += [_node_line(name, entry, now_s) for name, entry in sorted(health.items())]
    if not health:
        lines.append([("no diagnostics yet: does the avatar run in this ROS domain?", WARN)])
    lines += [[], *_topic_lines(meters, now_s)]
    if avatar is not None and "real_time_factor" in avatar.values:
        lines += [[], *_engine_lines(avatar.values), [], *_drop_lines(avatar.values)]
    return lines


def _node_line(name: str, entry: Health, now_s: float) -> Line:
    said, style = entry.judge(now_s)
    return [(f"{to_plain(name.removeprefix(PREFIX)):<14}", ""), (to_plain(said), style)]


def _topic_lines(meters: Mapping[str, Meter], now_s: float) -> list[Line]:
    lines: list[Line] = [[(f"{'topic':<24}{'rate':>10}{'longest gap':>14}", DIM)]]
    for name, meter in meters.items():
        rate_hz, gap_ms = meter.rate_hz(now_s), meter.worst_gap_ms(now_s)
        style = "" if rate_hz > 0.0 else DIM
        lines.append([(f"{name:<24}{rate_hz:>7.1f} Hz{gap_ms:>11.0f} ms", style)])
    return lines


def _engine_lines(values: Mapping[str, str]) -> list[Line]:
    def number(name: str) -> float:
        return to_number(values.get(name, ""))

    factor, hop_ms = number("real_time_factor"), 1e3 * number("hop_s")
    window_ms = number("window_ms_p99")
    load = OK if factor < 0.6 else WARN if factor < 0.9 else BAD
    late = OK if window_ms < hop_ms else BAD
    depth_s = number("queue_depth_s")
    return [
        [("compute    ", DIM), (_bar(factor), load), (f" {factor:.2f} of real time", load)],
        [("window     ", DIM), (f"p50 {number('window_ms_p50'):.0f} ms, ", ""),
         (f"p99 {window_ms:.0f} ms", late), (f" of {hop_ms:.0f} ms", DIM)],
        [("latency    ", DIM), (f"{1e3 * number('output_delay_s'):.0f} ms from sound to pose", ""),
         (f", source behind by {1e3 * number('stream_offset_s'):.0f} ms", DIM)],
        [("steps      ", DIM), (f"face {number('expression_steps'):.0f}, body "
         f"{number('gesture_steps'):.0f}, {number('overlap_frames'):.0f} known frames, every "
         f"{_ordinal(number('pose_stride'))}pose", "")],
        [("queue      ", DIM), (f"{depth_s:.2f} s of motion, ", OK if depth_s > 0 else WARN),
         (f"{number('audio_ahead_s'):.2f} s of sound ahead", "")],
        [("process    ", DIM), (f"{number('rss_mb'):.0f} MB, {number('cpu_s'):.0f} s of CPU", "")],
    ]  # fmt: skip


def _drop_lines(values: Mapping[str, str]) -> list[Line]:
    shown = [f"{count:.0f} {said}" for count, said in count_losses(values)]
    if not shown:
        return [[("nothing was lost since the start", OK)]]
    lines: list[Line] = [[("since the start", DIM)]]
    return lines + [[(f"  {text}", WARN)] for text in shown]


def _bar(share: float) -> str:
    filled = round(BAR_WIDTH * min(max(share, 0.0), 1.0))
    return f"[{'|' * filled}{' ' * (BAR_WIDTH - filled)}]"


def _ordinal(stride: float) -> str:
    return "" if stride <= 1 else f"{stride:.0f}nd " if stride == 2 else f"{stride:.0f}th "


def to_text(lines: Sequence[Line], colour: bool, size: tuple[int, int] | None = None) -> str:
    """Return the lines as text cut to the terminal's `size` (columns, rows), in colour or not."""
    columns, rows = size or shutil.get_terminal_size((100, 40))
    return "\n".join(_line_text(line, colour, columns) for line in lines[: max(1, rows - 1)])


def _line_text(line: Line, colour: bool, columns: int) -> str:
    left, text = columns, ""
    for piece, style in line:
        cut, left = piece[:left], left - len(piece)
        text += f"\x1b[{_ANSI[style]}m{cut}\x1b[0m" if colour and style and cut else cut
        if left <= 0:
            break
    return text
