"""Results as a Markdown table with notes that are computed, and as a JSON document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scipy.stats import t as student_t

from asynfusion_ros.evaluation.catalogue import FIGURES, info_of
from asynfusion_ros.evaluation.controls import CONTROLS
from asynfusion_ros.evaluation.heldout import Results
from asynfusion_ros.evaluation.summary import Summary, jackknife_error

BASE = ("model", "ground_truth")

DISTANCES = ("fmd", "fed", "fgd")

_HOPELESS = 1e6  # in place of an infinite loss, such as that of a speed of 0


def make_table(results: Results) -> str:
    """Return a Markdown table: a row for each figure, a column for each subject."""
    subjects = list(results)
    known = {name for figures in results.values() for name in figures}
    lines = ["| figure | " + " | ".join(subjects) + " |", "|---" * (len(subjects) + 1) + "|"]
    for name in (name for name in FIGURES if name in known):
        cells = (show(results[subject].get(name)) for subject in subjects)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def show(summary: Summary | None) -> str:
    """Return mean and interval, such as `0.500 (0.250 to 0.750)`; a dash where there is none."""
    if summary is None:
        return "-"
    digits = 1 if abs(summary.mean) >= 100.0 else 3
    mean, low, high = (
        f"{round(v, digits) + 0.0:.{digits}f}" for v in (summary.mean, summary.low, summary.high)
    )
    return mean if low == high else f"{mean} ({low} to {high})"


def winners(results: Results, among: Sequence[str]) -> dict[str, str]:
    """Return for each figure which of the subjects `among` is best by the catalogue."""
    best = {}
    for name in results[among[0]]:
        there = [subject for subject in among if name in results[subject]]
        truth = results.get("ground_truth", {}).get(name)
        goal = truth.mean if truth is not None else 0.0
        losses = [info_of(name).loss(results[subject][name].mean, goal) for subject in there]
        best[name] = there[losses.index(min(losses))]
    return best


def make_notes(results: Results, subject: str = "model") -> list[str]:
    """Return what the table says against itself: figures that a control wins, or wins from truth.

    Ties go to the subject.
    """
    controls = [name for name in results if name in CONTROLS]
    best = winners(results, [subject, *controls])
    notes = []
    for control in controls:
        won = [name for name, winner in best.items() if winner == control]
        if won:
            notes.append(f"{control} beats {subject} in: {', '.join(won)}.")
    truth = results.get("ground_truth", {})
    for control in controls:
        fooled = [
            name
            for name, own in results[control].items()
            if name in truth and info_of(name).best == "high" and own.mean > truth[name].mean
        ]
        if fooled:
            notes.append(f"{control} beats the ground truth itself in: {', '.join(fooled)}.")
    for control in controls:
        sure = [n for n in results[subject] if is_surely_better(results, n, control, subject)]
        said = ", ".join(sure) if sure else "nothing"
        notes.append(f"{subject} is surely better than {control}, take by take, in: {said}.")
    return [*notes, *_say_reach(results, (subject, *controls))]


def is_surely_better(
    results: Results, name: str, than: str = "shuffled_audio", subject: str = "model"
) -> bool:
    """Return whether a subject is better than another in a figure, at 95 %.

    Both are measured on the same takes, of which some are hard for everybody: so the jackknife
    leaves takes out of their difference, and Student's t of one degree less than takes decides.
    Nothing is sure of fewer than three takes.
    """
    three = [results.get(s, {}).get(name) for s in (subject, than, "ground_truth")]
    means = [[s.mean, *s.left_out] for s in three if s is not None]
    if len(means) < 3 or len(means[0]) < 4 or len(set(map(len, means))) > 1:
        return False
    loss = info_of(name).loss
    gap, *gaps = (
        min(loss(own, truth), _HOPELESS) - min(loss(other, truth), _HOPELESS)
        for own, other, truth in zip(*means, strict=True)
    )
    return bool(gap < -student_t.ppf(0.975, len(gaps) - 1) * jackknife_error(gaps))


def _say_reach(results: Results, subjects: Sequence[str]) -> list[str]:
    """Return how far a single take moves the distances, which few takes may decide alone."""
    notes = []
    for name in DISTANCES:
        there = [(s, results[s][name].left_out) for s in subjects if name in results[s]]
        spans = [f"{s} {min(left):.3g} to {max(left):.3g}" for s, left in there if left]
        if spans:
            notes.append(f"{name} without one of its takes: {', '.join(spans)}.")
    return notes


def make_document(
    results: Results, about: Mapping[str, Any], notes: Sequence[str]
) -> dict[str, Any]:
    """Return everything as plain values: `about` first, then results and notes."""
    return {
        **about,
        "results": {
            subject: {name: summary.to_dict() for name, summary in figures.items()}
            for subject, figures in results.items()
        },
        "notes": list(notes),
    }
