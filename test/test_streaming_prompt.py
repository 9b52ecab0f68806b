"""Speech that comes ahead of time is shown as soon as it can be, in sync and whole."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from streaming_stubs import RATE_HZ, START_S, StubGenerator, expected_faces, speech_like
from test_streaming_conversation import listen, say
from test_streaming_safety import TICK_S

from asynfusion_ros.streaming.intake import Packet
from asynfusion_ros.streaming.prompt import LEAST_GAIN_S, PromptStart, Scene

CHUNK = 1600
COMPUTE_S = 0.06
LATER_S = START_S + 3.0  # when the avatar has long been idle


class Remembering(StubGenerator):
    """Knows the frames that it gave, as the model does, and keeps what it was told that it knew."""

    def __init__(self, **options):
        super().__init__(**options)
        self.known = []

    def step(self, samples, state, steps=None):
        self.known.append(state.face)
        chunk, after = super().step(samples, state, steps)
        number = 12.0 * len(self.windows) + np.arange(12)  # every frame ever made has its own
        new = np.tile(number[:, None], (1, 51)).astype(np.float32)
        before = np.zeros((48, 51), np.float32) if state.face is None else state.face
        face = np.concatenate([before, new])[-48:]
        return chunk, replace(after, face=face, body=face[:, :24])


def shown_at(player, name):
    """When an utterance's first pose was on screen."""
    return player.at("begun", name).clock_s


def faces_of(player, begin_s, end_s):
    """Audio times and faces of what was shown of the sound between two stamps."""
    frames = [f for _, f in player.frames if begin_s <= f.audio_time_s < end_s]
    return np.array([f.audio_time_s for f in frames]), np.array([f.face[0] for f in frames])


def assert_in_sync(player, samples, stamp_s, skip_s=0.3):
    times, faces = faces_of(player, stamp_s + skip_s, stamp_s + len(samples) / RATE_HZ - 0.05)
    assert len(times) > 30 * (len(samples) / RATE_HZ - skip_s) - 10
    assert faces == pytest.approx(expected_faces(samples, times, stamp_s), abs=2e-3)


def test_speech_that_is_there_is_shown_after_one_window_and_told_so():
    generator = StubGenerator()
    engine, player = listen(generator=generator)
    generator.clock, generator.compute_s = engine._clock, COMPUTE_S
    samples = speech_like(3.0)
    say(player, "hello", samples, at_s=LATER_S, stamp_s=LATER_S)
    player.run(8.0)
    assert player.events() == [("begun", "hello"), ("ended", "hello")]
    assert engine.delay_s == pytest.approx(1.25 * COMPUTE_S + 0.02, abs=TICK_S)
    waited_s = shown_at(player, "hello") - LATER_S  # the player stands still during a window
    assert 0.0 <= waited_s - engine.delay_s < COMPUTE_S + 2 * TICK_S
    assert player.at("ended", "hello").played_s == pytest.approx(3.0, abs=1e-6)
    assert_in_sync(player, samples, LATER_S)
    counts = engine.status().counts
    assert counts["prompt_starts"] == 1
    assert counts.get("deadline_misses", 0) == 0
    assert counts["samples_used"] == len(samples)


def test_each_utterance_is_as_prompt_as_the_first():
    engine, player = listen()
    waits = []
    for number in range(4):
        at_s = player.clock.now_s()
        say(player, str(number), speech_like(1.5, seed=number), at_s=at_s)
        player.run(4.0 + 0.13 * number)
        waits.append(shown_at(player, str(number)) - at_s)
    assert max(waits) < 0.1
    assert engine.status().counts["prompt_starts"] == 4


@pytest.mark.parametrize("ahead_s", [0.7, 0.8, 0.9])
def test_what_is_a_little_ahead_is_shown_that_much_sooner(ahead_s):
    engine, player = listen()
    samples, first = speech_like(4.0), round(ahead_s * RATE_HZ)
    player.send(LATER_S, LATER_S, samples[:first], utterance="a")
    for start in range(first, len(samples), CHUNK):  # and the rest as far ahead, not further
        at_s = LATER_S + start / RATE_HZ
        player.send(at_s - ahead_s + 0.1, at_s, samples[start : start + CHUNK], utterance="a")
    player.run(9.0)
    wanted_s = engine.output_delay_s - ahead_s
    assert shown_at(player, "a") - LATER_S == pytest.approx(wanted_s, abs=3 * TICK_S)
    assert_in_sync(player, samples, LATER_S)
    counts = engine.status().counts
    assert counts.get("late_packets", 0) == counts.get("source_stops", 0) - 1 == 0


def test_live_speech_is_as_it_was():
    shown = {}
    for prompt in (False, True):
        engine, player = listen(prompt=prompt)
        for number in range(2):
            samples, at_s = speech_like(2.0, seed=number), START_S + 4.0 * number
            for start in range(0, len(samples), CHUNK):
                stamp_s = at_s + start / RATE_HZ
                piece = samples[start : start + CHUNK]
                player.send(stamp_s + 0.1, stamp_s, piece, utterance=str(number))
        player.run(9.0)
        shown[prompt] = [(f.audio_time_s, f.face[0], f.state) for _, f in player.frames]
        assert engine.status().counts.get("prompt_starts", 0) == 0
    assert shown[True] == shown[False]


def test_what_is_planned_for_later_is_not_hurried_and_deterministic_motion_neither():
    engine, player = listen()
    say(player, "later", speech_like(2.0), at_s=LATER_S, stamp_s=LATER_S + 0.5)
    player.run(8.0)
    wanted_s = LATER_S + 0.5 + engine.output_delay_s
    assert shown_at(player, "later") == pytest.approx(wanted_s, abs=2 * TICK_S)
    engine, player = listen(deterministic=True)
    say(player, "same", speech_like(2.0), at_s=LATER_S)
    player.run(8.0)
    assert shown_at(player, "same") - LATER_S == pytest.approx(1.0, abs=2 * TICK_S)


def test_motion_goes_on_from_the_frames_that_were_shown_before():
    generator = Remembering()
    engine, player = listen(generator=generator)
    player.run(3.0)
    idle, made = engine._worker._arrivals.stream, len(generator.windows)
    say(player, "a", speech_like(2.0), at_s=LATER_S)
    player.run(0.2)
    known = generator.known[made][:, 0]
    shown_s = shown_at(player, "a") - idle.timeline.frame_due_s(0)
    last = known[-1] - 12.0  # windows are numbered from 1
    assert last == pytest.approx(shown_s * 30 - 1, abs=1.5)
    steps = np.diff(known)
    assert set(steps) == {0.0, 1.0}
    assert (np.diff(steps) >= 0).all()  # the first one is held, then all in order


def test_a_first_window_that_takes_longer_than_the_last_one_loses_no_lips():
    generator = StubGenerator()
    engine, player = listen(generator=generator)
    generator.clock, generator.compute_s = engine._clock, 0.01
    player.run(2.9)
    generator.compute_s = 0.2
    samples = speech_like(3.0)
    say(player, "slow", samples, at_s=LATER_S, stamp_s=LATER_S)
    player.run(0.2)
    generator.compute_s = 0.01
    player.run(6.0)
    assert 0.2 < shown_at(player, "slow") - LATER_S < 0.2 + 4 * TICK_S
    assert player.at("ended", "slow").played_s == pytest.approx(3.0, abs=1e-6)
    assert_in_sync(player, samples, LATER_S, skip_s=0.15)


@pytest.mark.parametrize("stamped", [True, False])
@pytest.mark.parametrize("late_s", [0.8, 1.0, 1.2, 1.3, 1.4, 1.45])
def test_a_second_sentence_that_comes_just_in_time_follows_without_a_gap(late_s, stamped):
    engine, player = listen()
    samples = speech_like(4.0)
    half = round(1.5 * RATE_HZ)
    for start in range(0, len(samples), CHUNK):
        stamp_s = LATER_S + start / RATE_HZ
        at_s = LATER_S + (late_s if start >= half else 0.0)
        stamp_s = stamp_s if stamped else None
        player.send(at_s, stamp_s, samples[start : start + CHUNK], utterance="a")
    player.run(9.0)
    assert player.events() == [("begun", "a"), ("ended", "a")]
    begun, ended = player.at("begun", "a"), player.at("ended", "a")
    assert ended.clock_s - begun.clock_s == pytest.approx(4.0, abs=3 * TICK_S)
    assert ended.played_s == pytest.approx(4.0, abs=1e-6)
    assert engine.status().counts["samples_used"] == len(samples)
    times, faces = faces_of(player, LATER_S + 1.7, LATER_S + 3.9)
    assert faces == pytest.approx(expected_faces(samples, times, LATER_S), abs=2e-3)


def test_speech_that_falls_behind_its_lead_is_shown_whole_after_the_usual_delay():
    engine, player = listen()
    ahead, live = speech_like(1.2), speech_like(3.0, seed=1)
    say(player, "a", ahead, at_s=LATER_S)
    resumes_s = LATER_S + 2.0  # while "a" is long over, at the pace of live speech
    for start in range(0, len(live), CHUNK):
        stamp_s = resumes_s + start / RATE_HZ
        player.send(stamp_s + 0.1, stamp_s, live[start : start + CHUNK], utterance="b")
    player.run(10.0)
    assert shown_at(player, "b") - resumes_s == pytest.approx(engine.output_delay_s, abs=0.04)
    assert_in_sync(player, live, resumes_s, skip_s=0.5)
    counts = engine.status().counts
    assert counts["samples_used"] == len(ahead) + len(live)
    assert counts["samples_dropped"] == 0


def test_an_interruption_is_answered_at_once():
    _, player = listen()
    say(player, "long", np.full(20 * RATE_HZ, 0.9, np.float32))
    player.run(3.0)
    samples = speech_like(2.0, seed=4)
    say(player, "other", samples, at_s=LATER_S)
    player.run(5.0)
    assert player.events() == [
        ("begun", "long"), ("interrupted", "long"), ("begun", "other"), ("ended", "other"),
    ]  # fmt: skip
    assert player.at("interrupted", "long").clock_s == pytest.approx(LATER_S, abs=2 * TICK_S)
    assert shown_at(player, "other") - LATER_S < 0.1
    assert_in_sync(player, samples, LATER_S)


def test_a_flush_drops_what_is_held_and_another_source_frees_it():
    engine, player = listen()
    player.run(1.0)
    engine.push_audio(None, speech_like(0.1), RATE_HZ, "voice", "a")
    engine.advance()
    assert engine.status().counts["samples_waiting"] == CHUNK
    engine.flush()
    engine.advance()
    counts = engine.status().counts
    assert (counts["samples_waiting"], counts["samples_dropped"]) == (0, CHUNK)
    engine.push_audio(None, speech_like(0.1), RATE_HZ, "voice", "b")
    engine.push_audio(None, speech_like(0.1), RATE_HZ, "stranger")
    engine.advance()
    counts = engine.status().counts
    assert counts["samples_waiting"] == 0
    assert counts["samples_in"] == counts["samples_used"] + counts["samples_dropped"]
    assert counts["other_source"] == 1


@given(
    in_hand_s=st.floats(0.02, 5.0),
    delay_s=st.floats(0.3, 2.0),
    compute_s=st.floats(0.0, 0.5),
    sound_s=st.floats(-1.0, 1.0),
    motion_s=st.floats(0.0, 2.0),
)
def test_the_moment_is_the_soonest_that_all_allow(in_hand_s, delay_s, compute_s, sound_s, motion_s):
    start = PromptStart(0.1, 60.0)
    samples = np.zeros(round(in_hand_s * RATE_HZ), np.float32)
    packet = Packet(float("nan"), samples, RATE_HZ, arrival_s=LATER_S, utterance="a")
    assert start.admit(packet, begins=True) == []
    scene = Scene(LATER_S + 0.1, delay_s, compute_s, LATER_S + sound_s, LATER_S + motion_s)
    talkspurt = start.pick(scene)
    assert talkspurt is not None  # it has waited long enough, whatever it is
    assert [p.stamp_s for p in talkspurt.packets] == [LATER_S]
    moment_s = max(
        LATER_S + 0.1 + delay_s - in_hand_s,  # as much sooner as there is sound in hand
        LATER_S + 0.1 + 0.02 + 1.25 * compute_s,  # a window takes that long
        scene.sound_until_s,
    )
    gained_s, hole_s = LATER_S + delay_s - moment_s, moment_s - scene.motion_until_s
    assume(min(abs(gained_s - LEAST_GAIN_S), abs(hole_s - 0.1)) > 1e-4)
    worth_it = gained_s > LEAST_GAIN_S and hole_s < 0.1
    assert talkspurt.show_s == (pytest.approx(moment_s, abs=1e-4) if worth_it else None)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_whatever_the_pace_no_sound_is_lost_or_shown_before_its_time(seed):
    draw = np.random.default_rng(seed)
    engine, player = listen()
    at_s = START_S + 1.0
    for number in range(3):
        at_s += draw.uniform(0.0, 3.0)
        free_s = at_s
        samples = speech_like(draw.uniform(0.3, 3.0), seed=number)
        for start in range(0, len(samples), CHUNK):
            free_s += draw.choice([0.0, 0.0, 0.02, 0.1, 0.6])
            piece = samples[start : start + CHUNK]
            stamp_s = max(free_s, at_s) if number == 1 else None
            player.send(free_s, stamp_s, piece, utterance=str(number))
            at_s = max(at_s, free_s) + len(piece) / RATE_HZ
    player.run(at_s - START_S + 5.0)
    counts = engine.status().counts
    assert counts["samples_waiting"] == 0
    assert counts["other_source"] <= counts["barge_ins"]  # a stray that waited for the next
    assert counts["samples_in"] == counts["samples_used"] + counts["samples_dropped"]
    assert all(frame.audio_time_s <= now_s + 1e-9 for now_s, frame in player.frames)
    assert {name for event, name in player.events() if event != "begun"} == {"0", "1", "2"}
