from collections import Counter

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from asynfusion_ros.audio.resample import (
    StreamingResampler,
    convert_to_mono_float,
    load_audio,
    resample,
)
from asynfusion_ros.errors import AudioError


def noise(count, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, count).astype(np.float32)


def stream(samples, sizes, from_hz, to_hz=16000):
    resampler, out, start = StreamingResampler(from_hz, to_hz), [], 0
    while start < len(samples):
        size = sizes[len(out) % len(sizes)]
        out.append(resampler.process(samples[start : start + size]))
        start += size
    return np.concatenate([*out, resampler.flush()])


@pytest.mark.parametrize("from_hz", [8000, 16000, 22050, 44100, 48000, 192000])
def test_a_tone_stays_in_its_place(from_hz):
    seconds = np.arange(from_hz) / from_hz
    out = resample(np.sin(2 * np.pi * 440 * seconds).astype(np.float32), from_hz)
    assert len(out) == pytest.approx(16000, abs=1)
    expected = np.sin(2 * np.pi * 440 * np.arange(len(out)) / 16000)
    assert np.abs(out - expected)[400:-400].max() < 2e-3


@settings(deadline=None, max_examples=20)
@given(
    sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=5),
    from_hz=st.sampled_from([8000, 16000, 24000, 44100, 96000]),
)
def test_the_sizes_of_chunks_change_nothing(sizes, from_hz):
    samples = noise(from_hz // 4)
    assert np.abs(stream(samples, sizes, from_hz) - resample(samples, from_hz)).max() < 1e-5


def test_what_is_above_8_khz_is_gone():
    tone = np.sin(2 * np.pi * 12000 * np.arange(48000) / 48000).astype(np.float32)
    assert np.abs(resample(tone, 48000)[400:-400]).max() < 1e-3


def test_the_filter_holds_back_little():
    assert len(StreamingResampler(48000).process(noise(4800))) > 1600 - 480


def test_a_new_stream_begins_after_flush():
    resampler, samples = StreamingResampler(48000), noise(9600)
    first = np.concatenate([resampler.process(samples), resampler.flush()])
    second = np.concatenate([resampler.process(samples), resampler.flush()])
    assert (first == second).all()


def test_equal_rates_pass_through_as_a_copy():
    samples = noise(100)
    out = StreamingResampler(16000).process(samples)
    assert (out == samples).all()
    assert not np.shares_memory(out, samples)


@pytest.mark.parametrize("rate_hz", [0, -16000, 7999, 192001])
def test_impossible_rates_are_refused(rate_hz):
    with pytest.raises(AudioError, match="8000 to 192000"):
        StreamingResampler(rate_hz)


@pytest.mark.parametrize("channels", [1, 2, 8])
@pytest.mark.parametrize(
    ("encoding", "alias", "kind", "scale"),
    [
        ("int16", "S16LE", "<i2", 2**15),
        ("int32", "S32LE", "<i4", 2**31),
        ("float32", "F32LE", "<f4", 1),
    ],
)
def test_bytes_become_the_mean_of_their_channels(encoding, alias, kind, scale, channels):
    frames = noise(50 * channels).reshape(50, channels)
    stored = (frames * scale).astype(kind)
    mono = convert_to_mono_float(stored.tobytes(), encoding, channels)
    assert mono.dtype == np.float32
    assert mono == pytest.approx(frames.mean(axis=1), abs=1e-4)
    octets = np.frombuffer(stored.tobytes(), np.uint8)  # as ROS gives them
    assert (convert_to_mono_float(octets, alias, channels) == mono).all()


def test_full_scale_integers_stay_in_range():
    extremes = np.array([-(2**15), 2**15 - 1], "<i2")
    mono = convert_to_mono_float(extremes.tobytes(), "int16", 1)
    assert mono[0] == -1.0
    assert 0.9999 < mono[1] < 1.0


def test_broken_samples_become_silence_and_are_counted():
    counts = Counter()
    data = np.array([np.nan, 0.5, np.inf, -np.inf, 0.25, 0.75], "<f4")
    mono = convert_to_mono_float(data.tobytes(), "float32", 2, counts)
    assert (mono == np.array([0.25, 0.0, 0.5], np.float32)).all()
    assert counts == {"nan_samples": 3}


def test_no_bytes_are_no_samples():
    assert convert_to_mono_float(b"", "int16", 2).shape == (0,)


@pytest.mark.parametrize(
    ("size", "encoding", "channels", "message"),
    [
        (7, "int16", 2, "whole number of frames"),
        (6, "float32", 1, "whole number of frames"),
        (8, "mp3", 1, "'int16', 'int32', 'float32'"),
        (8, "int16", 0, "1 to 8"),
        (18, "int16", 9, "1 to 8"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(size, encoding, channels, message):
    with pytest.raises(AudioError, match=message):
        convert_to_mono_float(bytes(size), encoding, channels)


def test_recordings_of_any_rate_load_as_16_khz_mono(tmp_path):
    frames = np.stack([noise(44100), noise(44100, seed=1)], axis=1)
    soundfile.write(tmp_path / "a.wav", frames, 44100, subtype="FLOAT")
    expected = resample(frames.mean(axis=1), 44100)
    assert load_audio(tmp_path / "a.wav") == pytest.approx(expected, abs=1e-6)
