"""Microphones that are unplugged, come back, or never were."""

import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from asynfusion_ros.audio import sources
from asynfusion_ros.audio.retry import RetryingSource
from asynfusion_ros.audio.sources import MicSource, SourceChunk
from asynfusion_ros.errors import AudioError


def test_a_microphone_that_is_unplugged_ends_with_words(monkeypatch):
    stream = SimpleNamespace(start=lambda: None, close=lambda: None)
    fake = SimpleNamespace(InputStream=lambda **_: stream, PortAudioError=RuntimeError)
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    monkeypatch.setattr(sources, "_POLL_S", 0.002)
    with pytest.raises(AudioError, match="plug it in"):
        list(MicSource())


class Plug:
    """Microphones that give two chunks and are lost; some cannot be opened."""

    def __init__(self, missing=()):
        self.opened = self.closed = 0
        self.missing = set(missing)

    def open(self):
        self.opened += 1
        if self.opened in self.missing:
            raise AudioError("no such device")
        return self

    def __iter__(self):
        for k in range(2):
            yield SourceChunk(np.zeros(160, np.float32), 16000, k / 100)
        raise AudioError("it was unplugged")

    def close(self):
        self.closed += 1


def test_a_lost_microphone_is_looked_for_until_it_is_there_again(monkeypatch):
    now_s, paused, said, plug = [50.0], [], [], Plug(missing=(2, 3, 4, 5, 6, 7))
    source = RetryingSource(plug.open, said.append, lambda: now_s[0])

    def wait(seconds):
        paused.append(seconds)
        now_s[0] += seconds
        return source._closed.is_set()

    monkeypatch.setattr(source._closed, "wait", wait)
    chunks = iter(source)
    heard = [next(chunks).start_s for _ in range(4)]
    assert paused == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]
    assert heard == pytest.approx([0.0, 0.01, 45.0, 45.01]), "the pause is heard as a pause"
    assert source.counts == {"losses": 1, "retries": 7}
    assert "looked for again" in said[0]
    assert said[1] == "the sound is there again"
    source.close()
    assert list(chunks) == []
    assert plug.closed == 2


def test_a_microphone_that_never_was_is_refused_at_once():
    with pytest.raises(AudioError, match="no such device"):
        RetryingSource(Plug(missing=(1,)).open)


def test_closing_ends_the_search_for_a_microphone():
    source = RetryingSource(Plug(missing=range(2, 999)).open)
    heard = []
    thread = threading.Thread(target=lambda: heard.extend(source))
    thread.start()
    source.close()
    thread.join(5.0)
    assert not thread.is_alive()
