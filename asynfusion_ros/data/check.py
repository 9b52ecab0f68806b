"""What folders of recordings hold: takes, hours, what was measured, and what is broken."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asynfusion_ros.data.formats import find_sets, scan_set
from asynfusion_ros.data.recording import SPLITS, Array, Fault, Recording


@dataclass
class SetReport:
    """One data set: seconds and licences by speaker, channels measured anywhere, labels, faults."""

    folder: str
    format: str
    takes: int = 0
    speaker_s: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    split_s: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    licences: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    labels: set[str] = field(default_factory=set)
    face_channels: int = 0
    body_joints: int = 0
    faults: list[Fault] = field(default_factory=list)

    def add(self, item: Recording | Fault) -> None:
        """Count a take, or note a fault."""
        if isinstance(item, Fault):
            self.faults.append(item)
            return
        self.takes += 1
        self.speaker_s[item.speaker] += item.clip.duration_s
        self.split_s[item.split] += item.clip.duration_s
        self.licences[item.speaker].add(item.licence)
        self.face_channels = max(self.face_channels, _measured(item.clip.face_mask, 51))
        self.body_joints = max(self.body_joints, _measured(item.clip.body_mask, 24) // 3)
        present = {
            "emotion": item.emotion,
            "frame emotion": item.frame_emotion,
            "semantic": item.semantic,
        }
        self.labels |= {name for name, label in present.items() if label is not None}
        self.labels |= set(item.extras)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; hours to four places."""
        return {
            "folder": self.folder,
            "format": self.format,
            "takes": self.takes,
            "hours": _hours(sum(self.speaker_s.values())),
            "hours_by_speaker": {k: _hours(v) for k, v in sorted(self.speaker_s.items())},
            "hours_by_split": {k: _hours(self.split_s[k]) for k in SPLITS},
            "face_channels": self.face_channels,
            "body_joints": self.body_joints,
            "labels": sorted(self.labels),
            "licences": sorted(set().union(*self.licences.values())),
            "faults": [{"file": fault.file, "reason": fault.reason} for fault in self.faults],
        }


def check_folders(*folders: Path) -> list[SetReport]:
    """Read everything in `folders`, take by take; raise DataError where one holds no data set."""
    reports = []
    for folder in folders:
        for place, kind in find_sets(folder):
            report = SetReport(str(place), kind.name)
            for item in scan_set(place, kind):
                report.add(item)
            reports.append(report)
    return reports


def make_tables(reports: list[SetReport]) -> str:
    """Return the report as Markdown: the sets, the speakers, and the faults if there are any."""
    lines = [
        "| set | format | takes | minutes | train / val / test | face | body | labels | faults |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for report in reports:
        minutes = " / ".join(f"{report.split_s[split] / 60:.1f}" for split in SPLITS)
        cells = (
            Path(report.folder).name,
            report.format,
            report.takes,
            f"{sum(report.speaker_s.values()) / 60:.1f}",
            minutes,
            f"{report.face_channels} of 51" if report.face_channels else "none",
            f"{report.body_joints} of 8" if report.body_joints else "none",
            ", ".join(sorted(report.labels)) or "none",
            len(report.faults),
        )
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    lines += ["", "| set | speaker | hours | licence |", "|---|---|---|---|"]
    for report in reports:
        for speaker, seconds in sorted(report.speaker_s.items()):
            name, licences = Path(report.folder).name, "; ".join(sorted(report.licences[speaker]))
            lines.append(f"| {name} | {speaker} | {seconds / 3600:.4f} | {licences} |")
    faults = [fault for report in reports for fault in report.faults]
    if faults:
        lines += ["", "| file | left out because |", "|---|---|"]
        lines += [f"| {fault.file} | {fault.reason.replace('|', '/')} |" for fault in faults]
    return "\n".join(lines)


def _measured(mask: Array | None, channels: int) -> int:
    return channels if mask is None else int((mask.max(axis=0, initial=0.0) > 0).sum())


def _hours(seconds: float) -> float:
    return round(seconds / 3600, 4)
