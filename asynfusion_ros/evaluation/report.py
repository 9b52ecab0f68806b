"""Results as a Markdown table with notes that are computed, and as a JSON document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from asynfusion_ros.evaluation.catalogue import FIGURES, info_of
from asynfusion_ros.evaluation.controls import CONTROLS
from asynfusion_ros.evaluation.heldout import Results
from asynfusion_ros.evaluation.summary import Summary

BASE = ("model", "ground_truth")


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
    apart = [name for name in results[subject] if _clear(results, subject, name)]
    if "shuffled_audio" in results:
        said = ", ".join(apart) if apart else "none"
        notes.append(f"Better than shuffled audio with intervals apart: {said}.")
    return notes


def make_document(
    results: Results, about: Mapping[str, Any], notes: Sequence[str]
) -> dict[str, Any]:
    """Return everything as plain values: `about` first, then results and notes."""
    return {
        **about,
        "results": {
            subject: {name: asdict(summary) for name, summary in figures.items()}
            for subject, figures in results.items()
        },
        "notes": list(notes),
    }


def _clear(results: Results, subject: str, name: str) -> bool:
    """Tell whether the subject beats shuffled audio in a figure, their intervals being apart."""
    own, other = results[subject][name], results.get("shuffled_audio", {}).get(name)
    if other is None:
        return False
    truth = results.get("ground_truth", {}).get(name)
    goal = truth.mean if truth is not None else 0.0
    info = info_of(name)
    better = info.loss(own.mean, goal) < info.loss(other.mean, goal)
    return better and (own.low > other.high or own.high < other.low)
