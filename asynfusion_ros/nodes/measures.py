"""What a stream of poses, seen from outside, says about the avatar; no ROS."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asynfusion_ros.motion.blendshapes import FACE_NAMES, mouth_opening

_ARM_PARTS = ("shoulder", "elbow", "wrist")


@dataclass
class Recording:
    """Everything that arrived while measuring; times are seconds of one clock.

    Attributes:
        joint_times_s: when joint_states arrived.
        joint_stamps: their stamps [ns].
        positions_rad: their arms' positions.
        face_times_s: when face/blendshapes arrived.
        face_stamps: their stamps [ns].
        openings: mouth opening of each face.
        audio: (stamp of the first sample [s], its end [s], arrival [s]) of each audio message.
        nan_frames: poses or faces that were not finite.
        diagnostics: the avatar's values, oldest first, with their arrival.
        stolen_s: how long the host of a virtual machine kept it from its cores.
    """

    joint_times_s: list[float] = field(default_factory=list)
    joint_stamps: list[int] = field(default_factory=list)
    positions_rad: list[npt.NDArray[np.float64]] = field(default_factory=list)
    face_times_s: list[float] = field(default_factory=list)
    face_stamps: list[int] = field(default_factory=list)
    openings: list[float] = field(default_factory=list)
    audio: list[tuple[float, float, float]] = field(default_factory=list)
    nan_frames: int = 0
    diagnostics: list[tuple[float, Mapping[str, str]]] = field(default_factory=list)
    stolen_s: float = 0.0

    def add_joints(
        self, arrival_s: float, stamp_ns: int, names: Sequence[str], positions: npt.ArrayLike
    ) -> None:
        """Take one joint_states message."""
        values = np.asarray(positions, np.float64)
        arms = [any(f"_{part}_" in name for part in _ARM_PARTS) for name in names]
        self.joint_times_s.append(arrival_s)
        self.joint_stamps.append(stamp_ns)
        self.positions_rad.append(values[arms])
        self.nan_frames += not np.isfinite(values).all()

    def add_face(
        self, arrival_s: float, stamp_ns: int, names: Sequence[str], weights: npt.ArrayLike
    ) -> None:
        """Take one face/blendshapes message."""
        values = np.asarray(weights, np.float32)
        self.face_times_s.append(arrival_s)
        self.face_stamps.append(stamp_ns)
        by_name = dict(zip(names, values, strict=False))  # a stranger's message may be cut
        ordered = np.array([by_name.get(name, 0.0) for name in FACE_NAMES], np.float32)
        self.openings.append(float(mouth_opening(ordered)))
        self.nan_frames += not np.isfinite(values).all()


def summarise(recording: Recording) -> dict[str, Any]:
    """Return the report; figures for which nothing arrived are None (null in JSON)."""
    first = recording.diagnostics[0] if recording.diagnostics else (0.0, {})
    last = recording.diagnostics[-1] if recording.diagnostics else (0.0, {})
    values = last[1]
    span_s = _span_s(recording.joint_times_s)
    return {
        "seconds": span_s,
        "joint_states_hz": _rate_hz(recording.joint_times_s),
        "blendshapes_hz": _rate_hz(recording.face_times_s),
        "stamp_mismatches": count_mismatches(recording.joint_stamps, recording.face_stamps),
        "real_time_factor": _number(values, "real_time_factor"),
        "latency_ms": _latency_ms(recording, values),
        "audio_gaps": _whole(values, "count_audio_gaps"),
        "nan_frames": recording.nan_frames + (_whole(values, "count_nan_frames") or 0),
        "mouth_range": _range(recording.openings),
        "arm_path_rad": _path_rad(recording.positions_rad),
        "rss_mb": _number(values, "rss_mb"),
        "rss_growth_mb": _growth(first[1], values, "rss_mb"),
        "cpu_cores": _cores(first, last),
        "stolen_share": recording.stolen_s / span_s if span_s > 0 else None,
        "deadline_misses": _whole(values, "count_deadline_misses"),
        "windows": _whole(values, "count_windows"),
        "refused_messages": _whole(values, "node_refused_messages"),
    }


def _latency_ms(recording: Recording, values: Mapping[str, str]) -> dict[str, float | None]:
    stamps_s = 1e-9 * np.array(recording.joint_stamps, np.float64)
    end_to_end = 1e3 * (np.array(recording.joint_times_s) - stamps_s)
    messages = 1e3 * message_latencies_s(
        recording.audio, stamps_s, np.array(recording.joint_times_s)
    )
    hop_s, look_ahead_s = _number(values, "hop_s"), _number(values, "look_ahead_s")
    delay_s = _number(values, "output_delay_s")
    return {
        "hop": None if hop_s is None else 1e3 * hop_s,
        "look_ahead": None if look_ahead_s is None else 1e3 * look_ahead_s,
        "compute_p50": _number(values, "window_ms_p50"),
        "compute_p99": _number(values, "window_ms_p99"),
        "output_delay": None if delay_s is None else 1e3 * delay_s,
        "end_to_end_p50": _percentile(end_to_end, 50),
        "end_to_end_p99": _percentile(end_to_end, 99),
        "jitter_p50": _percentile(jitters_ms(end_to_end), 50),
        "jitter_p99": _percentile(jitters_ms(end_to_end), 99),
        "message_to_joint_p50": _percentile(messages, 50),
        "message_to_joint_p99": _percentile(messages, 99),
    }


def jitters_ms(delays_ms: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return how far each pose came from its place in time, which is the median delay [ms]."""
    return np.abs(delays_ms - np.median(delays_ms)) if len(delays_ms) else delays_ms


def message_latencies_s(
    audio: Sequence[tuple[float, float, float]],
    stamps_s: npt.NDArray[np.float64],
    arrivals_s: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Return, per pose, the time from the audio message that holds its stamp to its arrival [s].

    Poses whose stamp no audio message covers are left out.
    """
    if not audio or not len(stamps_s):
        return np.zeros(0)
    begins, ends, heard = (np.array(column) for column in zip(*sorted(audio), strict=True))
    place = np.searchsorted(begins, stamps_s, side="right") - 1
    covered = (place >= 0) & (stamps_s < ends[place])
    latencies: npt.NDArray[np.float64] = (arrivals_s - heard[place])[covered]
    return latencies


def count_mismatches(joints: Sequence[int], faces: Sequence[int]) -> int:
    """Return how many stamps one topic has and the other lacks, where both were heard."""
    if not joints or not faces:
        return len(joints) + len(faces)
    begin, end = max(min(joints), min(faces)), min(max(joints), max(faces))
    odd = set(joints) ^ set(faces)
    return sum(begin <= stamp <= end for stamp in odd)


def write_report(path: Path, report: Mapping[str, Any]) -> None:
    """Write the report as JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    part.replace(path)


def _span_s(times_s: Sequence[float]) -> float:
    return times_s[-1] - times_s[0] if times_s else 0.0


def _rate_hz(times_s: Sequence[float]) -> float | None:
    span_s = _span_s(times_s)
    return (len(times_s) - 1) / span_s if span_s > 0 else None


def _percentile(values: npt.NDArray[np.float64], percent: float) -> float | None:
    return float(np.percentile(values, percent)) if len(values) else None


def _range(values: Sequence[float]) -> float | None:
    finite = [value for value in values if math.isfinite(value)]
    return max(finite) - min(finite) if finite else None


def _path_rad(positions: Sequence[npt.NDArray[np.float64]]) -> float | None:
    """Return the length of the arms' way through joint space [rad]."""
    if len(positions) < 2:
        return None
    steps = np.linalg.norm(np.diff(np.stack(positions), axis=0), axis=1)
    return float(np.nansum(steps))


def _number(values: Mapping[str, str], name: str) -> float | None:
    return float(values[name]) if name in values else None


def _whole(values: Mapping[str, str], name: str) -> int | None:
    return int(values.get(name, "0")) if values else None


def _growth(before: Mapping[str, str], after: Mapping[str, str], name: str) -> float | None:
    first, last = _number(before, name), _number(after, name)
    return None if first is None or last is None else last - first


def _cores(
    first: tuple[float, Mapping[str, str]], last: tuple[float, Mapping[str, str]]
) -> float | None:
    """Return the processor time per second that the avatar's process used."""
    used_s = _growth(first[1], last[1], "cpu_s")
    return None if used_s is None or last[0] <= first[0] else used_s / (last[0] - first[0])
