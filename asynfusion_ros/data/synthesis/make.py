"""From voices to takes in the project's own folder format; a folder may be continued."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asynfusion_ros.audio.mel import SAMPLE_RATE_HZ
from asynfusion_ros.data.project import MANIFEST, ProjectWriter
from asynfusion_ros.data.recording import Recording
from asynfusion_ros.data.synthesis.articulation import Articulator, Style
from asynfusion_ros.data.synthesis.engines import Engine, Pronouncer, speak_timed
from asynfusion_ros.data.synthesis.phonemes import PAUSE, TimedSpeech, join_speech
from asynfusion_ros.data.synthesis.text import Grammar
from asynfusion_ros.data.synthesis.voices import Voice
from asynfusion_ros.motion.blendshapes import FACE_NAMES, MOUTH_NAMES
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.settings import Settings, setting

SOURCE = "synthetic"
LICENCE = "Apache-2.0 (spoken by hibari-tts or Kokoro-82M; text and motion of this project)"
BODY_DIM = 24
_MOUTH = np.isin(FACE_NAMES, MOUTH_NAMES)

EngineOf = Callable[[Voice], Engine]
Progress = Callable[[float], None]


@dataclass(frozen=True)
class SynthesisSettings(Settings):
    """How much is spoken, and how it is cut into takes."""

    hours: float = setting(3.0, doc="Speech in all", unit="h", minimum=0.0)
    shortest_s: float = setting(6.0, doc="Shortest take asked for", unit="s", minimum=1.0)
    longest_s: float = setting(13.0, doc="Length after which no sentence is added", unit="s")
    rate_spread: float = setting(
        0.12, doc="Spread of pace from take to take (of its logarithm)", minimum=0.0, maximum=0.4
    )
    longest_pause_s: float = setting(
        0.7, doc="Longest silence around sentences", unit="s", minimum=0.0
    )
    seed: int = setting(0, doc="Seed of text, pace, pauses and style", minimum=0)


@dataclass(frozen=True)
class Studio:
    """What takes are made with."""

    grammar: Grammar
    pronouncer: Pronouncer
    engine_of: EngineOf
    articulator: Articulator
    settings: SynthesisSettings

    def speak(self, voice: Voice, index: int) -> TimedSpeech:
        """Return the speech of take `index` of a voice; it depends on nothing else."""
        rng = self._rng(voice.key, index)
        settings, engine = self.settings, self.engine_of(voice)
        wanted_s = rng.uniform(settings.shortest_s, settings.longest_s)
        rate = voice.rate * float(np.exp(settings.rate_spread * rng.uniform(-1.5, 1.5)))
        parts: list[TimedSpeech] = []
        while not parts or sum(part.duration_s for part in parts) < 0.8 * wanted_s:
            characters = self.pronouncer.characters(self.grammar.sentence(rng), voice.british)
            parts.append(speak_timed(engine, characters, voice, rate, rng))
        gaps_s = settings.longest_pause_s * rng.uniform(0.0, 1.0, len(parts) + 1) ** 2
        speech = join_speech(parts, [float(gap) for gap in gaps_s])
        return _record(speech, rng)

    def take(self, voice: Voice, index: int, speech: TimedSpeech | None = None) -> Recording:
        """Return take `index` of a voice with its mouth; `speech`, if given, is not spoken anew."""
        speech = speech or self.speak(voice, index)
        rng = self._rng(voice.key, index, "style")
        style = Style.draw(self._rng(voice.key, "style")).vary(rng)
        face = self.articulator.articulate(speech, style)
        masks = np.broadcast_to(_MOUTH, face.shape), np.zeros((len(face), BODY_DIM))
        clip = MotionClip(
            self.articulator.fps_hz,
            face,
            np.zeros((len(face), BODY_DIM), np.float32),
            *(mask.astype(np.float32) for mask in masks),
        )
        return Recording(
            name_of(voice, index), SOURCE, LICENCE, voice.split, clip, speech.samples,
            speaker=voice.key, extras=extras_of(speech),
        )  # fmt: skip

    def _rng(self, *what: str | int) -> np.random.Generator:
        words = [zlib.crc32(str(item).encode()) for item in what]
        return np.random.default_rng([self.settings.seed, *words])


def name_of(voice: Voice, index: int) -> str:
    """Return the name of a take."""
    return f"{voice.key}-{index:04d}"


def extras_of(speech: TimedSpeech) -> dict[str, np.ndarray]:
    """Return the arrays that tell the articulation of a take: what was said, when, how strongly."""
    return {
        "phonemes": np.asarray(speech.phonemes, np.str_),
        "phoneme_time_s": speech.time_s,
        "phoneme_stress": speech.stress,
    }


def speech_of(recording: Recording) -> TimedSpeech:
    """Return the speech of a take that `extras_of` described."""
    extras = recording.extras
    names = tuple(str(name) for name in extras["phonemes"])
    times = np.asarray(extras["phoneme_time_s"], np.float32)
    return TimedSpeech(
        recording.samples, names, times, np.asarray(extras["phoneme_stress"], np.float32)
    )


def make_takes(
    studio: Studio,
    voices: Sequence[Voice],
    folder: Path,
    spoken: Mapping[str, Recording] | None = None,
    progress: Progress | None = None,
) -> ProjectWriter:
    """Write takes, voice after voice in turn, until each has its share of the hours.

    Takes that the folder holds count and are not made again; those in `spoken` (by name) lend
    their speech, so that only their mouths are made. `progress(done_s)` follows each take.
    """
    writer = ProjectWriter(folder)
    lengths_s = _lengths(folder)
    quota_s = studio.settings.hours * 3600.0 / max(len(voices), 1)
    done_s = dict.fromkeys((voice.key for voice in voices), 0.0)
    for voice, index in _turns(voices, done_s, quota_s):
        name = name_of(voice, index)
        if name not in writer:
            old = (spoken or {}).get(name)
            take = studio.take(voice, index, None if old is None else speech_of(old))
            writer.add(take)
            lengths_s[name] = take.clip.duration_s
        done_s[voice.key] += lengths_s[name]
        if progress is not None:
            progress(sum(min(length_s, quota_s) for length_s in done_s.values()))
    return writer


def _turns(
    voices: Sequence[Voice], done_s: Mapping[str, float], quota_s: float
) -> Iterator[tuple[Voice, int]]:
    """Yield voice and take number, round after round; the voices of one engine after another."""
    for engine in dict.fromkeys(voice.engine for voice in voices):
        group = [voice for voice in voices if voice.engine == engine]
        index = 0
        while any(done_s[voice.key] < quota_s for voice in group):
            for voice in group:
                if done_s[voice.key] < quota_s:
                    yield voice, index
            index += 1


def _lengths(folder: Path) -> dict[str, float]:
    path = folder / MANIFEST
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    rows = [json.loads(line) for line in lines if line.strip()]
    return {row["id"]: float(row["seconds"]) for row in rows}


def _record(speech: TimedSpeech, rng: np.random.Generator) -> TimedSpeech:
    """Return the speech at another level, on a room's noise floor instead of pure silence."""
    talking = np.zeros(speech.samples.size, bool)
    for name, (start_s, end_s) in zip(speech.phonemes, speech.time_s, strict=True):
        if name != PAUSE:
            talking[round(start_s * SAMPLE_RATE_HZ) : round(end_s * SAMPLE_RATE_HZ)] = True
    power = np.mean(np.square(speech.samples[talking])) if talking.any() else 1.0
    gain = 10.0 ** (rng.uniform(-28.0, -18.0) / 20.0) / np.sqrt(max(float(power), 1e-12))
    gain = min(gain, 0.95 / max(float(np.abs(speech.samples).max()), 1e-6))
    noise = 10.0 ** (rng.uniform(-85.0, -60.0) / 20.0) * rng.standard_normal(speech.samples.size)
    samples = np.clip(gain * speech.samples + noise, -1.0, 1.0).astype(np.float32)
    return TimedSpeech(samples, speech.phonemes, speech.time_s, speech.stress)
