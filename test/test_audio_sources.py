import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from asynfusion_ros.audio import tts
from asynfusion_ros.audio.resample import load_audio
from asynfusion_ros.audio.sources import MicSource, TtsSource, WavSource
from asynfusion_ros.audio.tts import EspeakSynthesiser, HibariSynthesiser, default_synthesiser
from asynfusion_ros.errors import AudioError

SPEECH = Path(__file__).parent / "fixtures" / "hello.flac"


def test_a_recording_comes_whole_and_on_time():
    source = WavSource(SPEECH, chunk_s=0.013)
    for _ in range(2):  # from its beginning each time
        chunks = list(source)
        assert (np.concatenate([c.samples for c in chunks]) == load_audio(SPEECH)).all()
        starts = np.cumsum([0] + [len(c.samples) for c in chunks[:-1]])
        assert [c.start_s for c in chunks] == pytest.approx(starts / 16000)
        assert {c.sample_rate_hz for c in chunks} == {16000}
    source.close()
    assert list(source) == []


def test_nan_in_a_recording_is_silenced_and_counted(tmp_path):
    frames = np.array([[0.5, 0.5], [np.nan, 0.5]] * 100, np.float32)
    soundfile.write(tmp_path / "a.wav", frames, 48000, subtype="FLOAT")
    source = WavSource(tmp_path / "a.wav")
    samples = np.concatenate([c.samples for c in source])
    assert (samples == np.tile([0.5, 0.25], 100)).all()
    assert source.counts["nan_samples"] == 100


def write_damaged(path):
    path.write_bytes(SPEECH.read_bytes()[:100])


def write_text(path):
    path.write_text("this is no sound")


def write_empty_sound(path):
    soundfile.write(path, np.zeros(0, np.float32), 16000, format="WAV")


def write_slow_sound(path):
    soundfile.write(path, np.zeros(100, np.float32), 4000, format="WAV")


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, "does not exist"),
        (Path.mkdir, "is no file"),
        (Path.touch, "cannot be read"),
        (write_text, "cannot be read"),
        (write_damaged, "damaged|cannot be read|no samples"),
        (write_empty_sound, "no samples"),
        (write_slow_sound, "8000 to 192000"),
    ],
)
@pytest.mark.parametrize("read", [lambda path: list(WavSource(path)), load_audio])
def test_what_is_no_recording_is_refused(tmp_path, write, message, read):
    write(tmp_path / "a.wav")
    with pytest.raises(AudioError, match=message):
        read(tmp_path / "a.wav")


def test_impossible_chunks_are_refused():
    with pytest.raises(AudioError, match=r"0\.001 to 10 s"):
        WavSource(SPEECH, chunk_s=0)


class FakeStream:
    def __init__(self, callback, blocksize, **_):
        self.callback, self.blocksize, self.closed = callback, blocksize, 0

    def start(self):
        pass

    def close(self):
        self.closed += 1

    def hear(self, value, overflow=False):
        frames = np.full((self.blocksize, 1), value, np.float32)
        self.callback(frames, self.blocksize, None, SimpleNamespace(input_overflow=overflow))


@pytest.fixture
def microphone(monkeypatch):
    fake = SimpleNamespace(InputStream=FakeStream, PortAudioError=RuntimeError)
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


def test_the_microphone_yields_what_it_hears(microphone):
    source = MicSource(chunk_s=0.02)
    for value in (0.1, np.nan, 3.0):
        source._stream.hear(value)
    threading.Timer(0.01, source.close).start()
    chunks = list(source)
    assert [c.samples[0] for c in chunks] == pytest.approx([0.1, 0.0, 1.0])
    assert [c.start_s for c in chunks] == pytest.approx([0.0, 0.02, 0.04])
    assert source.counts["nan_samples"] == 320
    source.close()
    assert source._stream.closed == 1


def test_a_slow_reader_loses_the_oldest_and_sees_the_gap(microphone):
    source = MicSource(chunk_s=0.02, queue_s=0.1)
    for number in range(12):
        source._stream.hear(number / 100, overflow=number == 3)
    source.close()
    chunks = list(source)
    assert [c.samples[0] for c in chunks] == pytest.approx([0.07, 0.08, 0.09, 0.10, 0.11])
    assert chunks[0].start_s == pytest.approx(7 * 0.02)
    assert source.counts["dropped_chunks"] == 7
    assert source.counts["overflows"] == 1


def test_a_missing_card_is_explained(microphone):
    def refuse(**_):
        raise RuntimeError("Error querying device -1")

    microphone.InputStream = refuse
    with pytest.raises(AudioError, match="default microphone cannot be opened"):
        MicSource()


def test_a_missing_portaudio_is_explained(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(AudioError, match="libportaudio2"):
        MicSource()


class TwoSentences:
    def sample_rate_hz(self):
        return 24000

    def speak(self, text):
        for word in text.split():
            yield np.full(1000, float(word), np.float32)


def test_spoken_text_comes_sentence_by_sentence():
    chunks = list(TtsSource("0.1 0.2", TwoSentences(), chunk_s=0.025))
    assert [len(c.samples) for c in chunks] == [600, 400, 600, 400]
    assert [c.start_s * 24000 for c in chunks] == pytest.approx([0, 600, 1000, 1600])
    assert chunks[3].samples[0] == np.float32(0.2)


def test_closing_stops_the_speech():
    source = TtsSource("0.1 0.2", TwoSentences())
    chunks = iter(source)
    next(chunks)
    source.close()
    assert list(chunks) == []


def test_nothing_to_say_is_refused():
    with pytest.raises(AudioError, match="no text"):
        TtsSource("  \n", TwoSentences())


@pytest.mark.parametrize(
    ("synthesiser", "needs"), [(HibariSynthesiser, "hibari"), (EspeakSynthesiser, "espeak-ng")]
)
def test_the_voices_speak(synthesiser, needs):
    try:
        voice = synthesiser()
    except AudioError:
        pytest.skip(f"{needs} is not installed")
    samples = np.concatenate(list(voice.speak("Hello there, how are you?")))
    assert 0.8 < len(samples) / voice.sample_rate_hz() < 6.0
    assert samples.dtype == np.float32
    assert 0.05 < np.abs(samples).max() <= 1.0


def test_without_a_voice_one_learns_how_to_get_one(monkeypatch):
    monkeypatch.setattr(tts, "find_spec", lambda _: None)
    monkeypatch.setattr(tts.shutil, "which", lambda _: None)
    for make in (default_synthesiser, HibariSynthesiser, EspeakSynthesiser):
        with pytest.raises(AudioError, match="install"):
            make()


def test_a_voice_that_espeak_lacks_is_named():
    try:
        voice = EspeakSynthesiser(voice="zzz")
    except AudioError:
        pytest.skip("espeak-ng is not installed")
    with pytest.raises(AudioError, match="espeak-ng"):
        list(voice.speak("hello"))
