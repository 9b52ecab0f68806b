"""What sources do to the engine: they stop, lose packets, come late, start over, send rubbish."""

import numpy as np
import pytest
from streaming_stubs import (
    RATE_HZ,
    START_S,
    Player,
    expected_faces,
    make_engine,
    send_live,
    speech_like,
)

from asynfusion_ros.errors import AudioError


def test_a_source_that_stops_leaves_an_avatar_alive_and_resumes_in_place():
    engine, clock, generator = make_engine()
    player, samples = Player(engine, clock), speech_like(2.0)
    send_live(player, samples)
    send_live(player, samples, stamp_s=START_S + 7.0)
    player.run(6.5)
    assert engine.status().state == "idle"
    windows = len(generator.windows)
    player.run(4.0)
    assert len(generator.windows) > windows
    times, faces = player.motion()
    assert np.diff(times) == pytest.approx(1 / 60, abs=1e-6)  # one timeline, no hole
    quiet = (times > START_S + 2.2) & (times < START_S + 6.9)
    assert np.abs(faces[quiet]).max() < 1e-6
    again = (times > START_S + 7.05) & (times < START_S + 8.9)
    wanted = expected_faces(samples, times, START_S + 7.0)
    assert faces[again] == pytest.approx(wanted[again], abs=2e-3)
    assert engine.status().counts["streams"] == 1
    assert engine.status().counts["source_stops"] == 2


def test_a_lost_packet_becomes_silence_and_is_counted():
    engine, clock, _ = make_engine()
    player, samples = Player(engine, clock), np.full(3 * RATE_HZ, 0.5, np.float32)
    send_live(player, samples)
    del player.arrivals[12]
    player.run(4.0)
    assert engine.status().counts["audio_gaps"] == 1
    times, faces = player.motion()
    hole = (times > START_S + 1.2) & (times < START_S + 1.3 - 1 / 30)
    around = (times > START_S + 1.0) & (times < START_S + 1.15)
    assert faces[hole].max() < 0.01
    assert faces[around].min() > 0.2


def test_late_audio_is_cut_and_a_source_that_stays_late_is_placed_anew():
    said = []
    engine, clock, _ = make_engine(warn=said.append)
    player, samples = Player(engine, clock), speech_like(8.0)
    send_live(player, samples[: 2 * RATE_HZ])
    send_live(player, samples[2 * RATE_HZ :], stamp_s=START_S + 2.0, late_s=1.5)
    player.run(10.0)
    status = engine.status()
    assert status.counts["late_packets"] > 0
    assert status.counts["streams"] == 2
    assert status.stream_offset_s > 1.0
    assert sum("arrival_allowance_s" in message for message in said) == 1
    times, faces = player.motion()
    last = (times > START_S + 4.5) & (times < START_S + 7.5)
    wanted = expected_faces(samples, times, START_S)
    assert np.abs(faces[last] - wanted[last]).mean() < 0.05


@pytest.mark.parametrize("jump_s", [-100.0, 500.0])
def test_a_recording_that_starts_over_begins_a_new_stream_and_loses_nothing(jump_s):
    engine, clock, _ = make_engine()
    player, samples = Player(engine, clock), speech_like(6.0)
    for start in range(0, len(samples), 1600):
        at_s = START_S + start / RATE_HZ
        stamp_s = 100.0 + start / RATE_HZ + (jump_s if start >= 3 * RATE_HZ else 0.0)
        player.send(at_s, stamp_s, samples[start : start + 1600])
    player.run(7.0)
    status = engine.status()
    assert status.counts["streams"] == 2
    assert status.counts["cut_samples"] == status.counts["audio_gaps"] == 0
    times, faces = player.motion()
    again = (times > 103.5 + jump_s) & (times < 105.9 + jump_s)
    assert np.count_nonzero(again) > 100
    wanted = expected_faces(samples, times, 100.0 + jump_s)
    assert faces[again] == pytest.approx(wanted[again], abs=2e-3)


def test_two_sources_at_once_the_first_one_wins():
    said = []
    engine, clock, _ = make_engine(warn=said.append)
    player, samples = Player(engine, clock), speech_like(4.0)
    send_live(player, samples, source="a")
    send_live(player, 1.0 - np.abs(samples), stamp_s=START_S + 0.55, source="b")
    player.run(4.5)
    times, faces = player.motion()
    late = (times > START_S + 0.5) & (times < START_S + 3.4)
    assert faces[late] == pytest.approx(expected_faces(samples, times, START_S)[late], abs=1e-3)
    assert engine.status().counts["other_source"] > 20
    assert sum("second source" in message for message in said) == 1


def test_nan_audio_is_silence_and_never_leaves_as_motion():
    said = []
    engine, clock, _ = make_engine(warn=said.append)
    player, samples = Player(engine, clock), speech_like(3.0)
    samples[RATE_HZ : 2 * RATE_HZ] = np.nan
    send_live(player, samples)
    player.run(4.0)
    assert all(np.isfinite(f.face).all() and np.isfinite(f.body).all() for _, f in player.frames)
    assert engine.status().counts["nan_samples"] == RATE_HZ
    assert len(said) == 1


def test_a_wrong_rate_is_refused_and_the_stream_goes_on():
    engine, clock, _ = make_engine()
    player, samples = Player(engine, clock), speech_like(2.0)
    send_live(player, samples)
    player.run(1.0)
    with pytest.raises(AudioError):
        engine.push_audio(clock.now_s(), samples, 4000)
    player.run(1.5)
    times, faces = player.motion()
    late = (times > START_S + 0.5) & (times < START_S + 1.4)
    assert faces[late] == pytest.approx(expected_faces(samples, times, START_S)[late], abs=1e-3)
