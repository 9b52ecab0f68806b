"""Training windows: where they begin, and what of each take is changed to have more of them.

A plan says what is cut; a window follows from its plan and the seed alone, whatever comes before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from asynfusion_ros.audio.features import SpeechFeatureExtractor
from asynfusion_ros.audio.mel import SAMPLE_RATE_HZ
from asynfusion_ros.data import augment
from asynfusion_ros.data.recording import Array, Recording
from asynfusion_ros.data.resample import FPS_HZ, sample_clip
from asynfusion_ros.motion.blendshapes import FACE_NAMES, MOUTH_NAMES, mouth_opening
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.settings import Settings, setting

FRAME_GRID = 3
"""Windows start on every third frame, where 30 Hz frames and 16 kHz samples coincide."""

CHANGES = ("none", "rest", "pace", "amplitude", "noise", "room", "gain")

_MOUTH = np.isin(FACE_NAMES, MOUTH_NAMES)
_FADE_FRAMES = 6
_FRAME_SAMPLES = SAMPLE_RATE_HZ / FPS_HZ


def _share(doc: str, default: float) -> float:
    share: float = setting(default, doc=doc, minimum=0.0, maximum=1.0)
    return share


@dataclass(frozen=True)
class PrepareSettings(Settings):
    """How windows are cut from recordings; shares are extra windows for each plain one."""

    stride_frames: int = setting(
        9, doc="Frames from one window to the next", unit="frames", minimum=FRAME_GRID
    )
    rest_share: float = _share("Extra windows whose speech is muted and whose mouth rests", 0.08)
    rest_amplitude: float = _share("Body motion left in the muted part of such windows", 0.4)
    pace_share: float = _share("Extra windows played at 0.9 to 1.1 of their pace", 0.1)
    amplitude_share: float = _share("Extra windows whose motion is 0.8 to 1.2 as large", 0.1)
    noise_share: float = _share("Extra windows under noise, 5 to 30 dB below the speech", 0.1)
    room_share: float = _share("Extra windows in a room that rings for 0.15 to 0.6 s", 0.1)
    gain_share: float = _share("Extra windows whose sound is 18 dB softer to 6 dB louder", 0.1)
    linear_mouth_share: float = _share(
        "How much of a tracked mouth's course is what a linear map of its own speech says", 0.0
    )
    limit_mb: float = setting(
        0.0, doc="Keep a random part of the windows that fits; 0 keeps all", unit="MB", minimum=0.0
    )
    restricted_data: bool = setting(
        False, doc="Train also on BEAT, BEAT2, SHOW and ted15, whose terms bind the model"
    )
    seed: int = setting(0, doc="Seed of everything that is drawn", minimum=0)


@dataclass(frozen=True)
class Plan:
    """A window to be made: its take, its first frame, and one of CHANGES."""

    take: int
    start: int
    change: str


@dataclass(frozen=True)
class Window:
    """One training example before its features are taken; `masks` are (51,) and (24,)."""

    face: Array
    body: Array
    samples: Array
    face_mask: Array
    body_mask: Array
    recording: Recording
    take: int


def plan_windows(
    recordings: list[Recording], frames: int, settings: PrepareSettings, window_mb: float = 0.0
) -> list[Plan]:
    """Return the windows of all takes: every stride a plain one, after it those that are changed.

    Validation takes are changed by no more than rests. With `limit_mb`, and windows of `window_mb`,
    a random part is kept.
    """
    rng = np.random.default_rng(settings.seed)
    stride = settings.stride_frames // FRAME_GRID * FRAME_GRID
    plans: list[Plan] = []
    for take, recording in enumerate(recordings):
        changes = CHANGES[1:] if recording.split == "train" else ("rest",)
        for start in range(0, len(recording.clip) - frames + 1, stride):
            plans.append(Plan(take, start, "none"))
            drawn = rng.random(len(changes))
            plans += [
                Plan(take, start, change)
                for change, chance in zip(changes, drawn, strict=True)
                if chance < getattr(settings, f"{change}_share")
            ]
    if settings.limit_mb and len(plans) * window_mb > settings.limit_mb:
        count = int(settings.limit_mb / window_mb)
        kept = np.sort(rng.choice(len(plans), count, replace=False))
        plans = [plans[index] for index in kept]
    return plans


def cut_windows(
    recordings: list[Recording], extractor: SpeechFeatureExtractor, settings: PrepareSettings
) -> Iterator[Window]:
    """Yield all planned windows of the takes, in order."""
    for plan in plan_windows(recordings, extractor.settings.window_frames, settings):
        yield make_window(recordings[plan.take], plan, extractor, settings)


def make_window(
    recording: Recording, plan: Plan, extractor: SpeechFeatureExtractor, settings: PrepareSettings
) -> Window:
    """Cut one window out of its take and change it as planned."""
    frames, count = extractor.settings.window_frames, extractor.samples_needed
    rng = np.random.default_rng((settings.seed, plan.take, plan.start, CHANGES.index(plan.change)))
    if plan.change == "pace":
        return _paced(recording, plan, frames, count, rng)
    window = _cut(recording, plan, recording.clip, plan.start, frames, count)
    sound = window.samples
    if plan.change == "rest":
        return _silence(window, settings, rng)
    if plan.change == "amplitude":
        factor = rng.uniform(0.8, 1.2)
        centre = augment.mean_body(recording.clip.body)
        body = augment.scale_body(window.body, centre, factor) * window.body_mask
        return replace(window, face=augment.scale_face(window.face, factor), body=body)
    if plan.change == "noise":
        sound = augment.add_noise(sound, rng.uniform(5.0, 30.0), rng.uniform(0.0, 1.5), rng)
    if plan.change == "room":
        before = round(augment.ROOM_TAIL_S * SAMPLE_RATE_HZ)
        first = round(plan.start * _FRAME_SAMPLES)
        response = augment.room_response(rng.uniform(0.15, 0.6), rng.uniform(0.05, 1.0), rng)
        whole = _sound(recording.samples, first - before, before + count)
        sound = augment.play_in_room(whole, response, count)
    if plan.change == "gain":
        sound = augment.change_gain(sound, rng.uniform(-18.0, 6.0))
    return replace(window, samples=sound)


def _sound(samples: Array, first: int, count: int) -> Array:
    """Return `count` samples from `first`, which may lie before the take; silence is around it."""
    window = np.zeros(count, np.float32)
    start = max(first, 0)
    inside = samples[start : max(first + count, 0)]
    window[start - first : start - first + len(inside)] = inside
    return window


def _cut(
    recording: Recording, plan: Plan, clip: MotionClip, start: int, frames: int, count: int
) -> Window:
    rows = slice(start, start + frames)
    face_mask = np.ones(51, np.float32) if clip.face_mask is None else clip.face_mask[rows].min(0)
    body_mask = np.ones(24, np.float32) if clip.body_mask is None else clip.body_mask[rows].min(0)
    sound = _sound(recording.samples, round(plan.start * _FRAME_SAMPLES), count)
    return Window(
        clip.face[rows], clip.body[rows], sound, face_mask, body_mask, recording, plan.take
    )


def _paced(
    recording: Recording, plan: Plan, frames: int, count: int, rng: np.random.Generator
) -> Window:
    """Play a window faster or slower: as much more or less of the take fills its two seconds."""
    left = len(recording.clip) - plan.start
    pace = min(rng.uniform(0.9, 1.1), left / frames)
    position = plan.start + pace * np.arange(frames)
    clip = sample_clip(recording.clip, position, FPS_HZ)
    window = _cut(recording, plan, clip, 0, frames, count)
    heard = _sound(recording.samples, round(plan.start * _FRAME_SAMPLES), round(count * pace) + 1)
    return replace(window, samples=augment.change_pace(heard, pace, count))


def _silence(window: Window, settings: PrepareSettings, rng: np.random.Generator) -> Window:
    """Mute a part of the window; there the mouth takes the take's closed pose, the body calms.

    The recordings hardly ever pause, so an avatar trained on them alone mumbles in silence.
    """
    frames = len(window.face)
    edge = int(rng.integers(-frames // 2, frames))  # a third of them are silent throughout
    speech_first = bool(rng.random() < 0.5)
    position = (np.arange(frames) - max(edge, -_FADE_FRAMES)) / _FADE_FRAMES
    rest = np.clip(position if speech_first else 1.0 - position, 0.0, 1.0)[:, None]
    if edge < 0:
        rest = np.ones((frames, 1))
    whole = window.recording.clip.face
    opening = mouth_opening(whole)
    closed = np.median(whole[opening <= np.quantile(opening, 0.1)], axis=0)
    share = rest * _MOUTH
    face = (1.0 - share) * window.face + share * closed
    calm = 1.0 - rest * (1.0 - settings.rest_amplitude)
    body = window.body.mean(axis=0) + calm * (window.body - window.body.mean(axis=0))
    times = np.arange(window.samples.size) / _FRAME_SAMPLES
    gain = np.interp(times, np.arange(frames), 1.0 - rest[:, 0])
    noise = rng.standard_normal(window.samples.size) * 10.0 ** rng.uniform(-5.0, -3.0)
    samples = (gain * window.samples + noise).astype(np.float32)
    return replace(
        window, face=face.astype(np.float32), body=body.astype(np.float32), samples=samples
    )
