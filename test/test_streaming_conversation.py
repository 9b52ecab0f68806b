"""Utterances and the state of the conversation, through the engine, on a clock of its own."""

import numpy as np
import pytest
from streaming_stubs import (
    IDLE_FACE,
    RATE_HZ,
    Player,
    make_engine,
    speech_like,
)
from test_streaming_engine import expected_faces
from test_streaming_safety import (
    SKELETON,
    STILL_RAD_S,
    TICK_S,
    Dancer,
    assert_within_limits,
    joints_of,
    speeds,
)

from asynfusion_ros.errors import AudioError
from asynfusion_ros.motion.limits import JointLimiter
from asynfusion_ros.streaming.conversation import MOST_ABANDONED, Conversation
from asynfusion_ros.streaming.door import LONGEST_NAME

START_S = 1000.0


class Listener(Player):
    """Keeps what the conversation tells, as a dialogue manager would hear it."""

    def __init__(self, *given):
        super().__init__(*given)
        self.changes = []

    def run(self, seconds):
        end_s = self.clock.now_s() + seconds
        while self.clock.now_s() < end_s - 1e-9:
            super().run(self.tick_s)
            self.changes += self.engine.take_changes()

    def events(self):
        return [(each.event, each.utterance) for each in self.changes if each.event]

    def at(self, event, name):
        return next(c for c in self.changes if (c.event, c.utterance) == (event, name))


def listen(**options):
    engine, clock, _ = make_engine(arrival_allowance_s=0.2, **options)
    return engine, Listener(engine, clock)


def say(player, name, samples, at_s=START_S, chunk=1600, pace_s=0.0, stamp_s=None):
    """Hand in `samples` chunk by chunk, as speech synthesis does: no stamps, at any pace."""
    for number, start in enumerate(range(0, len(samples), chunk)):
        piece = samples[start : start + chunk]
        at = None if stamp_s is None else stamp_s + start / RATE_HZ
        player.send(at_s + number * pace_s, at, piece, utterance=name)


@pytest.mark.parametrize("pace_s", [0.0, 0.03, 0.1, 0.11])
def test_an_utterance_in_chunks_plays_out_in_sync_and_is_marked(pace_s):
    engine, player = listen(prompt=False)
    samples = speech_like(4.0)
    say(player, "hello", samples, pace_s=pace_s)
    player.run(7.0)
    assert player.events() == [("begun", "hello"), ("ended", "hello")]
    begun, ended = player.at("begun", "hello"), player.at("ended", "hello")
    assert begun.clock_s == pytest.approx(START_S + engine.output_delay_s, abs=2 * TICK_S)
    if pace_s <= 0.1:  # slower than its own sound, it must have pauses
        assert ended.clock_s - begun.clock_s == pytest.approx(4.0, abs=2 * TICK_S)
        assert ended.played_s == pytest.approx(4.0, abs=1e-6)
        times, faces = player.motion()
        late = (times > times[0] + 0.5) & (times < START_S + 3.9)
        assert faces[late] == pytest.approx(expected_faces(samples, times, START_S)[late], abs=2e-3)
    assert begun.state == "speaking"
    assert ended.state == "idle"


def test_another_utterance_interrupts_what_plays_and_comes_on_time():
    engine, player = listen(prompt=False)
    say(player, "long", np.full(20 * RATE_HZ, 0.9, np.float32))
    player.run(3.0)
    cut = len(player.frames)
    samples = speech_like(2.0, seed=4)
    say(player, "other", samples, at_s=START_S + 3.0)
    player.run(5.0)
    assert player.events() == [
        ("begun", "long"), ("interrupted", "long"), ("begun", "other"), ("ended", "other"),
    ]  # fmt: skip
    interrupted = player.at("interrupted", "long")
    assert interrupted.clock_s == pytest.approx(START_S + 3.0, abs=2 * TICK_S)
    assert interrupted.played_s == pytest.approx(3.0 - engine.output_delay_s, abs=3 * TICK_S)
    after = [frame for _, frame in player.frames[cut:]]
    assert after[7].face[0] - IDLE_FACE[0] < 0.06  # the mouth closes within 0.1 s
    begun = player.at("begun", "other")
    assert begun.clock_s == pytest.approx(START_S + 3.0 + engine.output_delay_s, abs=2 * TICK_S)
    times = np.array([frame.audio_time_s for frame in after])
    faces = np.array([frame.face[0] for frame in after])
    late = (times > START_S + 3.5) & (times < START_S + 4.9)
    wanted = expected_faces(samples, times, START_S + 3.0)
    assert faces[late] == pytest.approx(wanted[late], abs=2e-3)
    assert engine.status().counts["barge_ins"] == 1


def test_late_chunks_of_an_interrupted_utterance_are_dropped_and_counted():
    engine, player = listen()
    say(player, "old", speech_like(2.0))
    player.run(1.5)
    say(player, "new", speech_like(1.0), at_s=START_S + 1.5)
    say(player, "old", speech_like(2.0), at_s=START_S + 1.6)  # still on its way
    player.run(5.0)
    counts = engine.status().counts
    assert counts["late_utterance"] == 20
    assert ("begun", "old") not in player.events()[2:]
    assert player.events()[-1] == ("ended", "new")
    waiting = counts["samples_waiting"]
    assert counts["samples_in"] == counts["samples_used"] + counts["samples_dropped"] + waiting


def test_a_flush_abandons_the_utterance_as_well():
    engine, player = listen()
    say(player, "a", speech_like(6.0), pace_s=0.05)
    player.run(2.0)
    engine.flush()
    player.run(4.0)
    assert player.events() == [("begun", "a"), ("interrupted", "a")]
    assert engine.status().counts["late_utterance"] > 10
    assert player.frames[-1][1].state == "idle"


def test_a_flush_is_told_of_sound_without_a_name_once_and_only_where_there_was_any():
    engine, player = listen()
    engine.flush()
    player.run(0.1)
    assert player.events() == []
    say(player, "", speech_like(6.0), pace_s=0.05)
    player.run(2.0)
    engine.flush()
    engine.flush()
    player.run(0.1)
    assert player.events() == [("interrupted", "")]


def test_an_utterance_stamped_behind_the_one_before_follows_it():
    engine, player = listen()
    say(player, "a", speech_like(2.0), stamp_s=START_S)
    say(player, "b", speech_like(2.0), stamp_s=START_S + 2.0)
    player.run(6.0)
    assert player.events() == [("begun", "a"), ("ended", "a"), ("begun", "b"), ("ended", "b")]
    assert "barge_ins" not in engine.status().counts


def test_the_joints_stop_within_100_ms_of_another_utterance_and_within_their_limits():
    engine, player = listen(generator=Dancer(), joints=JointLimiter(SKELETON))
    for number in range(4):  # at any phase of the movement
        say(player, str(number), speech_like(8.0), at_s=player.clock.now_s())
        begin = len(player.frames)
        player.run(0.3)
        if number:
            moving = np.flatnonzero(speeds(joints_of(player, begin - 1)) > STILL_RAD_S)
            assert (moving.max(initial=-1) + 1) * TICK_S <= 0.1 + 1e-9
        player.run(2.6 + 0.17 * number)
        assert speeds(joints_of(player, -30)).max() > 1.0
    assert_within_limits(joints_of(player))
    assert engine.status().counts["barge_ins"] == 3


def test_sound_without_utterances_is_spoken_where_the_detector_says_so():
    engine, player = listen()
    samples = np.concatenate([speech_like(2.0), np.zeros(3 * RATE_HZ, np.float32), speech_like(1)])
    for start in range(0, len(samples), 1600):
        piece = samples[start : start + 1600]
        at_s = START_S + start / RATE_HZ
        player.send(at_s + 0.1, at_s, piece)
    player.run(9.0)
    states = [(c.state, c.event) for c in player.changes]
    assert states == [("idle", ""), *[("speaking", ""), ("idle", "")] * 2]
    seconds = [c.audio_time_s - START_S for c in player.changes[1:]]
    assert seconds == pytest.approx([0.0, 2.0, 5.0, 6.0], abs=0.15)
    shown = [c.clock_s - c.audio_time_s for c in player.changes[1:]]
    assert shown == pytest.approx([engine.output_delay_s] * 4, abs=1e-6)


def test_a_stopped_engine_interrupts_and_a_failed_window_does_not_lose_the_end():
    engine, player = listen()
    say(player, "a", speech_like(6.0))
    player.run(2.0)
    engine._mailbox.renew("restarts", restart_noise=False)
    player.run(1.0)
    assert player.events() == [("begun", "a"), ("interrupted", "a")]
    say(player, "b", speech_like(6.0), at_s=START_S + 3.0)
    player.run(2.0)
    engine.stop()
    player.engine.advance = lambda: False
    player.run(0.1)
    assert player.events()[2:] == [("begun", "b"), ("interrupted", "b")]
    assert player.changes[-1].state == "idle"


def test_an_utterance_that_is_refused_is_told_as_interrupted():
    engine, player = listen()
    for start in range(0, 8 * RATE_HZ, 1600):  # somebody else speaks already
        at_s = START_S + start / RATE_HZ
        player.send(at_s + 0.1, at_s, np.full(1600, 0.5, np.float32), RATE_HZ, "first")
    player.run(1.0)
    player.send(START_S + 1.0, START_S + 1.0, speech_like(1.0), RATE_HZ, "second", "a")
    player.run(7.0)
    assert player.events() == [("interrupted", "a")]
    assert engine.status().counts["other_source"] >= 1


def test_names_are_bounded():
    engine, _ = listen()
    with pytest.raises(AudioError, match="characters"):
        engine.push_audio(None, np.zeros(160, np.float32), RATE_HZ, "", "x" * (LONGEST_NAME + 1))
    talk = Conversation()
    for number in range(3 * MOST_ABANDONED):
        talk.admit(f"{number}", None, 1.0, 0.0)
        assert len(talk._abandoned) <= MOST_ABANDONED
    assert talk.admit(f"{3 * MOST_ABANDONED - 2}", None, 1.0, 0.0) == "drop"
