"""Loudspeakers that play, are lost and come back, or never were."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from asynfusion_ros.audio.loudspeaker import LOST_S, Loudspeaker
from asynfusion_ros.errors import AudioError

TIMES = SimpleNamespace(currentTime=5.0, outputBufferDacTime=5.02)
FINE = SimpleNamespace(output_underflow=False)


class Card:
    """Stands in for PortAudio: one device with two channels, which may be pulled out."""

    PortAudioError = RuntimeError

    def __init__(self):
        self.there, self.streams, self.looked = True, [], 0

    def query_devices(self, device, kind):
        assert kind == "output"
        if not self.there:
            raise ValueError(f"No output device matching {device!r}")
        return {"default_samplerate": 48000.0, "max_output_channels": 2}

    def OutputStream(self, **options):  # noqa: N802 (PortAudio's name)
        if not self.there:
            raise RuntimeError("Error opening OutputStream")
        stream = SimpleNamespace(**options, closed=False, start=lambda: None)
        stream.close = lambda: setattr(stream, "closed", True)
        self.streams.append(stream)
        return stream

    def _terminate(self):
        self.looked += 1

    def _initialize(self):
        pass


@pytest.fixture
def card(monkeypatch):
    card = Card()
    monkeypatch.setitem(sys.modules, "sounddevice", card)
    return card


def ask(card, status=FINE, times=TIMES):
    out = np.full((96, 2), np.nan, np.float32)
    card.streams[-1].callback(out, 96, times, status)
    return out


def test_every_channel_plays_what_is_to_be_heard_after_the_latency(card):
    asked = []

    def read(count, at_s):
        asked.append((count, at_s))
        return np.arange(count, dtype=np.float32)

    speaker = Loudspeaker(now_s=lambda: 100.0)
    speaker.start(read)
    assert (speaker.rate_hz, card.streams[0].samplerate) == (48000, 48000)
    np.testing.assert_array_equal(ask(card), np.tile(np.arange(96.0)[:, None], 2))
    assert asked == [(96, pytest.approx(100.02))]
    ask(card, SimpleNamespace(output_underflow=True))
    assert speaker.counts["underflows"] == 1
    ask(card, times=SimpleNamespace(currentTime=5.0, outputBufferDacTime=0.0))  # no such time
    assert asked[-1][1] == 100.0
    speaker.close()
    assert card.streams[0].closed
    assert not ask(card).any()
    assert speaker.watch() == ""


def test_a_loudspeaker_that_is_pulled_out_is_looked_for_ever_more_rarely(card):
    now_s = [0.0]
    speaker = Loudspeaker("usb", now_s=lambda: now_s[0])
    speaker.start(lambda count, _: np.ones(count, np.float32))
    ask(card)
    card.there, said, retries = False, [], []
    for tick in range(200):
        now_s[0] = 0.5 * tick
        if tick == 100:
            card.there = True
        news = speaker.watch()
        said += [(now_s[0], news)] if news else []
        retries += [now_s[0]] if speaker.counts["retries"] > len(retries) else []
        if tick > 100 and speaker.playing:
            ask(card)
    assert [news for _, news in said] == [
        "the loudspeaker was lost and is looked for again; plug it in",
        "the loudspeaker is there again",
    ]
    assert LOST_S < said[0][0] < LOST_S + 1.0
    assert 50.0 <= said[1][0] <= 60.0
    gaps_s = np.diff(retries)
    assert gaps_s[0] == 2.0
    assert gaps_s.max() == 10.0
    assert card.streams[0].closed
    assert card.looked == len(retries)
    assert ask(card).all()


def test_without_a_device_or_portaudio_it_says_what_to_do(card, monkeypatch):
    card.there = False
    with pytest.raises(AudioError, match=r"default loudspeaker cannot play.*sounddevice"):
        Loudspeaker()
    with pytest.raises(AudioError, match="'usb' cannot play"):
        Loudspeaker("usb")
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(AudioError, match="libportaudio2"):
        Loudspeaker()
