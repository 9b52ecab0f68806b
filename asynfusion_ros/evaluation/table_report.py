"""A reproduced table as Markdown, with what can be said of it computed, and as a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.stats import t as student_t

from asynfusion_ros.errors import ConfigError
from asynfusion_ros.evaluation.catalogue import info_of
from asynfusion_ros.evaluation.report import show
from asynfusion_ros.evaluation.reproduction import PAPER_SECONDS, Table
from asynfusion_ros.evaluation.summary import Summary

Row = Mapping[str, Summary]


@dataclass(frozen=True)
class TableResult:
    """What every training of a variant came to, by its name, and times where a table is timed."""

    table: Table
    trainings: Mapping[str, Sequence[Row]]
    controls: Mapping[str, Row]
    seconds: Mapping[str, Mapping[str, Summary]]

    @cached_property
    def rows(self) -> dict[str, Row]:
        """One row of each variant, of all its trainings together."""
        return {n: join_seeds(rows, self.table.figures) for n, rows in self.trainings.items()}


def join_seeds(rows: Sequence[Row], figures: Sequence[str]) -> dict[str, Summary]:
    """Return one row of several trained seeds: mean and Student's 95 % interval over them.

    A single seed keeps its interval over takes.
    """
    if len(rows) == 1:
        return {name: rows[0][name] for name in figures if name in rows[0]}
    joined = {}
    for name in figures:
        values = [row[name].mean for row in rows if name in row]
        if values:
            reach, mean = _students_reach(values), float(np.mean(values))
            takes = rows[0][name].takes
            joined[name] = Summary(mean, mean - reach, mean + reach, takes, len(values))
    return joined


def differ(first: Sequence[Row], second: Sequence[Row], figure: str) -> bool:
    """Return whether two variants differ surely in a figure, at 95 %.

    Trainings of one seed see the same batches and are sampled from the same noise, so what counts
    is the difference within each seed (Student's t); of single trainings, whether the intervals
    over takes lie apart.
    """
    a, b = ([row[figure] for row in rows] for rows in (first, second))
    if len(a) < 2:
        return a[0].high < b[0].low or b[0].high < a[0].low
    gaps = [x.mean - y.mean for x, y in zip(a, b, strict=True)]
    return abs(float(np.mean(gaps))) > _students_reach(gaps)


def table_markdown(result: TableResult) -> str:
    """Return our table and, beside it, the paper's."""
    table = result.table
    names = list(result.seconds[next(iter(result.seconds))]) if result.seconds else []
    lines = [_line("variant", *table.figures, *(f"{name} [ms]" for name in names))]
    lines.append("|---" * (1 + len(table.figures) + len(names)) + "|")
    for variant in table.variants:
        row = result.rows[variant.name]
        times = [_milliseconds(result.seconds[variant.name][name]) for name in names]
        lines.append(_line(variant.title, *(show(row.get(f)) for f in table.figures), *times))
    for name, control in result.controls.items():
        lines.append(_line(f"*{name}*", *(show(control.get(f)) for f in table.figures)))
    return "\n".join([*lines, "", "The paper's (BEAT, its own autoencoder):", "", _paper(table)])


def say_order(result: TableResult) -> list[str]:
    """Return for each figure of the paper whether its order of variants holds here, and how surely.

    Two variants differ surely where `differ` says so.
    """
    table, notes = result.table, []
    titles = {variant.name: variant.title for variant in table.variants}
    for column, figure in enumerate(table.figures):
        known = [n for n, values in table.paper.items() if len(values) > column]
        if len(known) < 2 or any(figure not in result.rows[name] for name in known):
            continue
        info = info_of(figure)
        ours = sorted(known, key=lambda n: info.loss(result.rows[n][figure].mean, 0.0))
        theirs = sorted(known, key=lambda n: info.loss(table.paper[n][column], 0.0))
        agree = 0
        surely: dict[bool, list[str]] = {True: [], False: []}
        for first, second in combinations(theirs, 2):
            right = ours.index(first) < ours.index(second)
            agree += right
            if differ(result.trainings[first], result.trainings[second], figure):
                better, worse = (first, second) if right else (second, first)
                surely[right].append(f"{titles[better]} before {titles[worse]}")
        pairs = len(known) * (len(known) - 1) // 2
        verdict = "the paper's order holds" if ours == theirs else "another order than the paper's"
        notes.append(
            f"{figure}: {verdict}; best to worst here: {'; '.join(titles[n] for n in ours)}. "
            f"{agree} of {pairs} pairs stand as in the paper; surely so: "
            f"{'; '.join(surely[True]) or 'none'}; surely the other way: "
            f"{'; '.join(surely[False]) or 'none'}."
        )
    return notes


def say_cost(result: TableResult) -> list[str]:
    """Return how far each strategy is from the first in FMD, and how much faster."""
    notes: list[str] = []
    first = result.table.variants[0]
    for variant in result.table.variants[1:]:
        own, base = result.rows[variant.name].get("fmd"), result.rows[first.name].get("fmd")
        if own is None or base is None:
            continue
        change = 100.0 * (own.mean / base.mean - 1.0)
        paper = result.table.paper
        theirs = 100.0 * (paper[variant.name][0] / paper[first.name][0] - 1.0)
        note = f"{variant.title}: FMD {change:+.1f} % against {first.title} (paper {theirs:+.1f} %)"
        for name, base_s in result.seconds.get(first.name, {}).items():
            faster = base_s.mean / result.seconds[variant.name][name].mean
            note += f"; {faster:.1f} times as fast, {name}"
        faster = PAPER_SECONDS[first.name] / PAPER_SECONDS[variant.name]
        notes.append(f"{note} (paper {faster:.1f} times).")
    return notes


def draw_plot(result: TableResult, path: Path) -> None:
    """Draw each figure as bars with intervals; raise ConfigError where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  (optional)
    except ImportError as error:
        raise ConfigError("plots need matplotlib; install asynfusion_ros[evaluation]") from error
    table = result.table
    rows = {v.title: result.rows[v.name] for v in table.variants}
    rows |= {k: v for k, v in result.controls.items() if k not in ("noise", "ground_truth")}
    width = 1.2 + 2.6 * len(table.figures)
    figure = Figure(figsize=(width, 1.2 + 0.34 * len(rows)), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(table.figures), sharey=True))
    places = np.arange(len(rows))[::-1]
    colours = ["#3b6fa0" if title not in result.controls else "#b5b5b5" for title in rows]
    for axis, name in zip(axes, table.figures, strict=True):
        for place, row, colour in zip(places, rows.values(), colours, strict=True):
            if (summary := row.get(name)) is not None:
                reach = [[summary.mean - summary.low], [summary.high - summary.mean]]
                axis.barh(place, summary.mean, color=colour, height=0.7)
                axis.errorbar(summary.mean, place, xerr=reach, color="#222222", capsize=2)
        axis.set_title(name, fontsize=9)
        axis.tick_params(labelsize=8)
    axes[0].set_yticks(places, list(rows))
    figure.savefig(path, dpi=90)


def _students_reach(values: Sequence[float]) -> float:
    """Return half of Student's 95 % interval of the mean of values."""
    count = len(values)
    return float(student_t.ppf(0.975, count - 1) * np.std(values, ddof=1) / np.sqrt(count))


def _paper(table: Table) -> str:
    lines = [_line("variant", *table.figures), "|---" * (1 + len(table.figures)) + "|"]
    for variant in table.variants:
        values = table.paper.get(variant.name, ())
        cells = [f"{value:g}" for value in values]
        cells += ["-"] * (len(table.figures) - len(cells))
        lines.append(_line(variant.title, *cells))
    return "\n".join(lines)


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _milliseconds(time_s: Summary) -> str:
    return f"{1e3 * time_s.mean:.1f} ({1e3 * time_s.low:.1f} to {1e3 * time_s.high:.1f})"
