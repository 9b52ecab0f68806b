"""Do the lips say what is heard: closures on p, b, m, and the error of the lips on a face mesh."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from asynfusion_ros.data.recording import Recording
from asynfusion_ros.motion.blendshapes import FACE_NAMES, lip_gap
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.face_mesh import build_face_mesh
from asynfusion_ros.settings import Settings, setting

Array = npt.NDArray[np.float64]
Spans = npt.NDArray[np.float64]

BILABIALS = frozenset("pbm")
_PAUSES = frozenset(
    ("", " ", "_", "sil", "sp", "pau", "SIL", "<sil>", ".", ",", "?", "!", ";", ":")
)
_MARKS = "\u02c8\u02cc\u02d00123456789"  # of stress and length
_NOTHING = np.zeros((0, 2))


@dataclass(frozen=True)
class ClosureSettings(Settings):
    """When lips count as closed, and how close in time two closures are the same."""

    tolerance_s: float = setting(
        0.05, doc="Largest gap between a closure and its target", unit="s", minimum=0.0, maximum=1.0
    )
    closed_share: float = setting(
        0.2, doc="Lips are closed below this share of their gap", minimum=0.0, maximum=1.0
    )
    closed_weight: float = setting(
        0.02, doc="Lips are closed below this gap in any case", minimum=0.0, maximum=1.0
    )
    open_weight: float = setting(
        0.05, doc="Between closures lips open at least this far", minimum=0.0, maximum=1.0
    )
    longest_s: float = setting(
        0.5, doc="A closure that lasts longer is a pause", unit="s", minimum=0.01, maximum=10.0
    )


def closures_s(gap: npt.ArrayLike, fps_hz: float, settings: ClosureSettings | None = None) -> Spans:
    """Return the closures (N, 2) [s], first to last closed frame, of a lip gap (T,).

    Closed is below `closed_share` of the take's 90th percentile, or below `closed_weight`. Two
    closures between which the lips do not open by `open_weight` are one; a mouth that never opens
    has none. Pauses, longer than `longest_s`, are given as well: `split_pauses` takes them out.
    """
    settings = settings or ClosureSettings()
    rows = np.asarray(gap, np.float64)
    if not rows.size or rows.max() < settings.open_weight:
        return _NOTHING
    level = max(settings.closed_weight, settings.closed_share * float(np.quantile(rows, 0.9)))
    spans = _runs(rows <= level)
    merged: list[list[int]] = []
    for first, last in spans:
        if merged and rows[merged[-1][1] : first + 1].max() < settings.open_weight:
            merged[-1][1] = last
        else:
            merged.append([first, last])
    return np.array(merged, np.float64).reshape(-1, 2) / fps_hz


def split_pauses(
    spans: Spans, duration_s: float, settings: ClosureSettings | None = None
) -> tuple[Spans, Spans]:
    """Return short closures, and the edges (N, 2) of pauses at which lips close or open.

    A closure that begins with the take or ends with it has only one edge.
    """
    settings = settings or ClosureSettings()
    short = spans[:, 1] - spans[:, 0] <= settings.longest_s
    edges = []
    for first, last in spans[~short]:
        if first > 0.0:
            edges.append((first, first))
        if last < duration_s - settings.tolerance_s:
            edges.append((last, last))
    return spans[short], np.array(edges, np.float64).reshape(-1, 2)


def closure_scores(
    gap: npt.ArrayLike,
    fps_hz: float,
    targets_s: Spans,
    speech_s: Spans | None = None,
    settings: ClosureSettings | None = None,
) -> dict[str, float]:
    """Return `closure_recall` and `closure_precision` of a lip gap (T,) against targets (N, 2).

    Recall: the share of targets that a closure, or the edge of a pause, meets within the tolerance.
    Precision: the share of short closures that meet a target; where `speech_s` (M, 2) is given,
    of those within speech. 0 where nothing closes; no recall without targets.
    """
    settings = settings or ClosureSettings()
    rows = np.asarray(gap, np.float64)
    spans = closures_s(rows, fps_hz, settings)
    short, edges = split_pauses(spans, len(rows) / fps_hz, settings)
    spoken = short if speech_s is None else short[_meets(short, speech_s, 0.0)]
    scores = {}
    if len(targets_s):
        met = _meets(targets_s, np.concatenate([short, edges]), settings.tolerance_s)
        scores["closure_recall"] = float(met.mean())
        hits = _meets(spoken, targets_s, settings.tolerance_s)
        scores["closure_precision"] = float(hits.mean()) if hits.size else 0.0
    return scores


def lip_targets(
    recording: Recording, settings: ClosureSettings | None = None
) -> tuple[Spans, Spans | None]:
    """Return where lips must close (N, 2) [s], and where there is speech (M, 2), if known.

    From the take's phonemes where it has them (`extras`: `phonemes` (P,) names, `phoneme_time_s`
    (P, 2) start and end): p, b, m. Else from the truth: its own short closures.
    """
    names, times = (recording.extras.get(key) for key in ("phonemes", "phoneme_time_s"))
    if names is not None and times is not None:
        plain = [str(name).strip(_MARKS).lower() for name in names]
        spans = np.asarray(times, np.float64).reshape(-1, 2)
        closing = np.array([name in BILABIALS for name in plain], bool)
        spoken = np.array([name not in _PAUSES for name in plain], bool)
        return spans[closing], spans[spoken]
    spans = closures_s(lip_gap(recording.clip.face), recording.clip.fps_hz, settings)
    return split_pauses(spans, recording.clip.duration_s, settings)[0], None


def lip_vertex_error_mm(clip: MotionClip, truth: MotionClip) -> float:
    """Return LVE on our face mesh: the largest error of a lip point, mean over frames [mm]."""
    shapes = _lip_shapes()
    gap = (clip.face.astype(np.float64) - truth.face) @ shapes.reshape(len(FACE_NAMES), -1)
    errors = np.linalg.norm(gap.reshape(len(gap), -1, 3), axis=-1)
    return float(1000.0 * errors.max(axis=1).mean())


@cache
def _lip_shapes() -> Array:
    """Return the shapes (51, L, 3) [m] of the mesh's lips: the points that a pucker pushes."""
    shapes = build_face_mesh().shapes
    push = np.linalg.norm(shapes[FACE_NAMES.index("mouthPucker")], axis=-1)
    return np.asarray(shapes[:, push > 0.5 * push.max()])


def _runs(closed: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], closed.astype(np.int8), [0]])))
    return [(int(a), int(b) - 1) for a, b in edges.reshape(-1, 2)]


def _meets(spans: Spans, others: Spans, tolerance_s: float) -> npt.NDArray[np.bool_]:
    """Tell of each span (N, 2) whether one of `others` lies within the tolerance."""
    if not len(spans) or not len(others):
        return np.zeros(len(spans), np.bool_)
    apart = np.maximum(
        others[None, :, 0] - spans[:, None, 1], spans[:, None, 0] - others[None, :, 1]
    )
    return np.asarray(apart.min(axis=1) <= tolerance_s + 1e-9)
