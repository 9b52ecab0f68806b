"""The engine against a stub generator whose motion is the loudness of the audio it was given."""

import numpy as np
import pytest
from streaming_stubs import (
    IDLE_BODY,
    IDLE_FACE,
    RATE_HZ,
    START_S,
    Player,
    StubGenerator,
    expected_faces,
    loudness,
    make_engine,
    send_live,
    settle,
    speech_like,
)

from asynfusion_ros.streaming.clock import FakeClock


def test_live_audio_comes_out_as_motion_at_its_own_time():
    engine, clock, _ = make_engine()
    player, samples = Player(engine, clock), speech_like(6.0)
    send_live(player, samples)
    player.run(6.5)
    times, faces = player.motion()
    assert times[0] == pytest.approx(START_S, abs=1 / 60)
    late = times > times[0] + 0.5  # after the face has settled into the stream
    assert faces[late] == pytest.approx(expected_faces(samples, times, START_S)[late], abs=1e-3)
    shown_s = np.array([now for now, f in player.frames if f.state == "speech"])
    assert shown_s - times == pytest.approx(engine.output_delay_s)
    status = engine.status()
    assert status.counts.get("deadline_misses", 0) == 0
    assert status.counts["nan_frames"] == 0
    assert status.counts["audio_gaps"] == 0


@pytest.mark.parametrize("chunk", [160, 1111, 3200])
def test_the_size_of_chunks_does_not_matter(chunk):
    engine, clock, _ = make_engine()
    player, samples = Player(engine, clock), speech_like(3.0)
    send_live(player, samples, chunk)
    player.run(3.5)
    times, faces = player.motion()
    late = times > times[0] + 0.5
    assert faces[late] == pytest.approx(expected_faces(samples, times, START_S)[late], abs=1e-3)


def test_synthesised_speech_in_one_burst_is_played_on_time():
    engine, clock, _ = make_engine()
    player, samples = Player(engine, clock), speech_like(5.0)
    player.send(START_S, START_S, samples)
    player.run(1.0)
    assert engine.status().audio_ahead_s > 2.0
    player.run(4.5)
    times, faces = player.motion()
    late = times > times[0] + 0.5
    assert faces[late] == pytest.approx(expected_faces(samples, times, START_S)[late], abs=1e-3)


def test_a_burst_without_stamps_is_queued_piece_after_piece():
    engine, clock, _ = make_engine()
    player, samples = Player(engine, clock), speech_like(4.0)
    for start in range(0, len(samples), 4000):
        player.send(START_S, None, samples[start : start + 4000])
    player.run(5.0)
    times, faces = player.motion()
    late = (times > times[0] + 0.5) & (times < START_S + 3.9)
    assert faces[late] == pytest.approx(expected_faces(samples, times, START_S)[late], abs=1e-3)


def test_more_audio_than_the_queue_holds_is_dropped_and_said():
    said = []
    engine, _, _ = make_engine(warn=said.append, max_queue_s=3.0)
    engine.push_audio(START_S, speech_like(10.0), RATE_HZ)
    settle(engine)
    assert engine.status().counts["inbox_full"] >= 6
    assert sum("max_queue_s" in message for message in said) == 1


def test_stamps_that_lag_the_clock_by_a_constant_work():
    engine, clock, _ = make_engine()
    player, samples = Player(engine, clock), speech_like(5.0)
    for start in range(0, len(samples), 1600):
        player.send(
            START_S + start / RATE_HZ, 77.0 + start / RATE_HZ, samples[start : start + 1600]
        )
    player.run(6.0)
    times, faces = player.motion()
    assert times[0] == pytest.approx(77.0, abs=1 / 60)
    late = (times > 77.5) & (times < 81.9)
    assert faces[late] == pytest.approx(expected_faces(samples, times, 77.0)[late], abs=1e-3)
    assert engine.status().stream_offset_s == pytest.approx(START_S - 77.0, abs=0.3)


def test_a_packet_that_waits_for_a_busy_thread_does_not_delay_its_stream():
    engine, clock, _ = make_engine()
    clock.advance(0.1)
    engine.push_audio(START_S, speech_like(0.1), RATE_HZ)
    clock.advance(0.3)  # a window of silence is being computed
    settle(engine)
    assert engine.status().counts["streams"] == 1
    assert engine.status().stream_offset_s == 0.0


def test_before_any_audio_the_avatar_idles_on_generated_motion():
    engine, clock, generator = make_engine()
    player = Player(engine, clock)
    player.run(3.0)
    assert player.frames[-1][1].state == "idle"
    assert len(generator.windows) >= 7


def test_flush_closes_the_mouth_within_100_ms_and_settles_smoothly():
    engine, clock, _ = make_engine()
    player, samples = Player(engine, clock), np.full(8 * RATE_HZ, 0.9, np.float32)
    send_live(player, samples[: 4 * RATE_HZ])
    player.run(4.0)
    open_mouth = player.frames[-1][1].face[0] - IDLE_FACE[0]
    player.arrivals.clear()
    flushed = len(player.frames)
    engine.flush()
    player.run(2.0)
    after = [f for _, f in player.frames[flushed:]]
    assert after[0].state == "settling"
    assert after[6].face[0] - IDLE_FACE[0] < 0.05 * open_mouth
    shown = [f for _, f in player.frames[flushed - 30 :]]
    velocity = np.diff([f.body[0] for f in shown]) * 60
    reach = 0.81 - IDLE_BODY[0]
    assert np.abs(velocity).max() < 1.1 * reach * 6.0 / engine.settings.ease_s / np.e
    assert engine.status().counts["flushes"] == 1
    assert after[-1].state == "idle"


def test_audio_after_a_flush_is_a_stream_of_its_own():
    engine, clock, _ = make_engine()
    player, samples = Player(engine, clock), speech_like(4.0)
    player.send(START_S, START_S, np.ones(20 * RATE_HZ, np.float32))
    player.run(2.0)
    engine.flush()
    player.frames.clear()
    send_live(player, samples, stamp_s=clock.now_s() + 0.5)
    begin_s = clock.now_s() + 0.5
    player.run(5.0)
    times, faces = player.motion()
    assert times[0] == pytest.approx(begin_s, abs=1 / 60)
    late = (times > begin_s + 0.5) & (times < begin_s + 3.4)
    assert faces[late] == pytest.approx(expected_faces(samples, times, begin_s)[late], abs=1e-3)


def test_reset_during_inference_throws_the_window_away():
    engine, clock, generator = make_engine()
    player = Player(engine, clock)
    send_live(player, speech_like(2.0))
    player.run(2.0)
    generator.before_step = engine.reset
    engine.push_audio(clock.now_s() - 0.1, np.ones(8000, np.float32), RATE_HZ)
    engine.advance()
    generator.before_step = lambda: None
    assert engine.status().counts["windows_discarded"] == 1
    engine.frame_at(clock.now_s())
    assert engine.frame_at(clock.now_s() + 0.3).face == pytest.approx(IDLE_FACE, abs=0.02)


def test_a_clock_that_jumps_begins_anew():
    engine, clock, generator = make_engine()
    player = Player(engine, clock)
    player.run(1.0)
    for jump_s in (3600.0, -5000.0):
        clock.advance(jump_s)
        before = len(generator.windows)
        player.run(2.0)
        assert player.frames[-1][1].state == "idle"
        assert len(generator.windows) - before < 12  # nothing is made up for


def test_slow_windows_are_left_out_and_audio_to_motion_never_drifts():
    clock = FakeClock(START_S)
    engine, clock, generator = make_engine(clock, StubGenerator(clock=clock, compute_s=0.7))
    player, samples = Player(engine, clock), speech_like(20.0)
    send_live(player, samples)
    player.run(20.0)
    status = engine.status()
    assert status.counts["windows_skipped"] > 5
    assert len(player.motion()[0]) > 0.6 * len(player.frames)  # what is ready in time is shown
    assert status.queue_depth_s > -1.5
    assert (status.expression_steps, status.gesture_steps) == (2, 2)
    assert (status.overlap_frames, status.pose_stride) == (12, 2)
    generator.compute_s = 0.05
    send_live(player, speech_like(60.0), stamp_s=clock.now_s())
    player.run(60.0)
    status = engine.status()
    assert (status.expression_steps, status.gesture_steps) == (4, 8)
    assert (status.overlap_frames, status.pose_stride) == (48, 1)
    assert status.counts["steps_regained"] == status.counts["steps_shed"] == 6


@pytest.mark.parametrize("hop_frames", [3, 12, 60])
def test_one_window_that_takes_seconds_does_not_stop_those_after_it(hop_frames):
    clock = FakeClock(START_S)
    engine, clock, generator = make_engine(clock, StubGenerator(hop_frames, clock=clock))
    player = Player(engine, clock)
    send_live(player, speech_like(20.0))
    player.run(3.0)
    generator.compute_s = 4.0
    while generator.compute_s:  # the window to come
        player.run(1 / 60)
        generator.compute_s = 4.0 if clock.now_s() < START_S + 6.0 else 0.0
    player.run(8.0)
    windows, begin = len(generator.windows), len(player.frames)
    player.run(5.0)
    assert (len(generator.windows) - windows) * hop_frames >= 4.0 * 30
    assert {frame.state for _, frame in player.frames[begin:]} == {"speech"}


def test_memory_and_history_stay_bounded_over_an_hour():
    engine, clock, generator = make_engine()
    second = speech_like(1.0)
    for number in range(3600):
        engine.push_audio(START_S + number, second, RATE_HZ)
        settle(engine)
        clock.advance(1.0)
        engine.frame_at(clock.now_s())
        generator.windows.clear()
    line = engine._worker._arrivals.stream.line
    assert line.head >= 3599 * RATE_HZ
    assert line._ring.capacity < 200 * RATE_HZ
    assert engine.status().counts["windows"] > 8900
    assert engine.status().counts["audio_gaps"] == 0


@pytest.mark.parametrize("seed", range(3))
def test_deterministic_motion_depends_on_audio_alone(seed):
    samples = speech_like(5.0)

    def frames_of(order_seed):
        generator = StubGenerator()
        engine, clock, _ = make_engine(generator=generator, deterministic=True)
        rng = np.random.default_rng(order_seed)
        now_s, start = START_S, 0
        while start < len(samples):
            size = int(rng.integers(1, 6000))
            engine.push_audio(START_S + start / RATE_HZ, samples[start : start + size], RATE_HZ)
            start += size
            now_s = max(now_s, START_S + start / RATE_HZ + rng.uniform(0, 2.0))
            clock.advance(now_s - clock.now_s())
            for _ in range(rng.integers(0, 4)):
                engine.advance()
        for _ in range(20):
            clock.advance(0.5)
            settle(engine)
        track = engine._queue._tracks[0]
        return [track._face[k % len(track._face), 0] for k in range(150)]

    plan = StubGenerator().plan
    padded = np.pad(samples, (33600, 33600))
    wanted = [
        loudness(padded[33600 + plan.first_sample(n) :][: plan.sample_count], plan)
        for n in range(13)
    ]
    assert frames_of(seed) == pytest.approx(np.concatenate(wanted)[:150], abs=1e-7)
