"""Who an engine's avatar is: the same in all of its streams, and another when asked to be."""

from dataclasses import replace

import numpy as np
import pytest
from streaming_stubs import Player, StubGenerator, make_engine, speech_like

from asynfusion_ros.errors import ConfigError
from asynfusion_ros.motion.manner import Manner
from asynfusion_ros.networks import NetworkSettings
from asynfusion_ros.sampling.checkpoint import untrained_checkpoint

START_S = 1000.0


def test_an_avatar_stays_who_it_is_from_stream_to_stream(monkeypatch):
    """Each stream has a seed of its own, for its noise; who is drawn is the avatar's."""
    engine, clock, generator = make_engine(seed=5)
    begin, seeds = type(generator).begin, set()

    def draw(seed=None, manner=None):
        seeds.add(seed)
        return begin(generator, seed, manner or Manner(speaker=seed % 3))

    monkeypatch.setattr(generator, "begin", draw)
    player = Player(engine, clock)
    for _ in range(3):
        player.send(clock.now_s(), clock.now_s(), speech_like(2.0))
        player.run(3.0)
        engine.flush()
        player.run(2.0)
    assert len(seeds) > 3
    assert {manner.speaker for manner in generator.manners} == {5 % 3}
    assert engine.manners.current.speaker == 5 % 3


def test_a_new_manner_is_taken_up_by_the_next_window_of_a_running_stream():
    engine, clock, generator = make_engine()
    player = Player(engine, clock)
    player.send(START_S, START_S, speech_like(6.0))
    player.run(2.0)
    before = len(generator.manners)
    engine.manners.set_speaker(2)
    player.run(2.0)
    assert {manner.speaker for manner in generator.manners[:before]} == {0}
    assert {manner.speaker for manner in generator.manners[before:]} == {2}
    with pytest.raises(ConfigError, match=r"this model has 0\.\.2"):
        engine.manners.set_speaker(3)
    with pytest.raises(ConfigError, match="0 styles"):
        engine.manners.set_style([1.0])
    with pytest.raises(ConfigError, match="without styles"):
        engine.manners.set_style([], words="anyone")
    with pytest.raises(ConfigError, match="send one of both"):
        engine.manners.set_style([1.0], words="anyone")
    assert engine.manners.current.speaker == 2
    assert "emotions: ['unknown']" in engine.manners.describe()


def test_an_avatar_can_be_somebody_else_and_itself_again():
    generator = StubGenerator()
    sizes = NetworkSettings(audio_dim=4, width=8, depth=1, heads=2, speakers=3, styles=3)
    plain = untrained_checkpoint(sizes).description
    about = replace(plain, style_correlation=np.eye(3, dtype=np.float32))
    generator.description = about
    engine, _, _ = make_engine(generator=generator, seed=4, style="energy=1")
    manners = engine.manners
    itself = (1.0, *about.people.draw(4)[1:])
    manners.set_style([], words="anyone=7")
    assert manners.current.style == about.people.draw(7)
    manners.set_style([0.5, -1.0, 0.0])
    assert manners.current.style == (0.5, -1.0, 0.0)
    manners.set_style([])
    assert manners.current.style == itself
    manners.set_speaker(2)
    assert (manners.current.speaker, manners.current.style[0]) == (2, 1.0)
    assert np.isnan(manners.current.style[1:]).all(), "a speaker is somebody already"
    manners.set_style([], words="reach=2")
    assert np.isnan([manners.current.style[0], manners.current.style[2]]).all()
    manners.set_speaker(0)
    assert (manners.current.speaker, manners.current.style) == (0, itself)
    manners.set_style([], words="open")
    assert manners.current.style == ()
    manners.begin_as(1, "reach=1", "")
    assert (manners.current.speaker, manners.current.style[1]) == (1, 1.0)
    manners.set_style([], words="reach=2")
    manners.set_style([])
    assert (manners.current.speaker, manners.current.style[1]) == (1, 1.0), "it began so"
    with pytest.raises(ConfigError, match=r"0\.\.2"):
        manners.begin_as(3, "", "")
    assert manners.current.speaker == 1
