"""Motion stays with the sound: clocks that are off, and networks that are late."""

from dataclasses import replace

import numpy as np
import pytest
from streaming_stubs import RATE_HZ, Player, StubGenerator, make_engine, speech_like

from asynfusion_ros.streaming.pace import GROW_S_S, MARGIN_S, SHRINK_S_S, Pace
from asynfusion_ros.streaming.settings import EngineSettings
from asynfusion_ros.streaming.windows import WindowPlan

START_S = 1000.0
CHUNK = 1600
MOST_OFF_S = 0.02
ALLOWANCE_S = 0.2
BEEP_S = 0.4


class Fine(StubGenerator):
    """Motion is the loudness of each frame by itself, to the sample."""

    def face_of(self, samples):
        edges = np.arange(self.plan.window_frames + 1) * RATE_HZ / 30
        energy = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
        level = np.diff(np.interp(edges, np.arange(len(energy)), energy)) * 30 / RATE_HZ
        return np.tile(level[-self.plan.hop_frames :, None], (1, 51)).astype(np.float32)


class Source:
    """A sound card whose clock is off: beeps in silence, and when each is really heard."""

    def __init__(self, drift, stamps, jitter_s=0.02, seed=0):
        self.rate_hz = RATE_HZ * (1.0 + drift)
        self.stamps = stamps
        self.draw = np.random.default_rng(seed)
        self.jitter_s = jitter_s
        self.at = 0
        length = round(BEEP_S * RATE_HZ)
        tone = np.sin(2 * np.pi * 440 * np.arange(length) / RATE_HZ)
        self.beep = (0.9 * tone * np.hanning(length)).astype(np.float32)
        self.begin = -1

    def heard_s(self, sample):
        return START_S + sample / self.rate_hz

    def next_chunk(self, beep=False):
        """Return (arrival, stamp, samples) of the next chunk; `beep` begins one in it."""
        if beep:
            self.begin = self.at
        place = np.arange(self.at, self.at + CHUNK) - self.begin
        inside = (self.begin >= 0) & (place < len(self.beep))
        samples = np.where(inside, self.beep[np.clip(place, 0, len(self.beep) - 1)], 0.0)
        samples = (samples + 1e-3).astype(np.float32)
        begin_s = self.heard_s(self.at)
        counted_s = START_S + self.at / RATE_HZ
        self.at += CHUNK
        arrival_s = self.heard_s(self.at) + self.draw.uniform(0.0, self.jitter_s)
        jitter_s = self.draw.uniform(-0.005, 0.005)
        stamp_s = {"count": counted_s, "clock": begin_s + jitter_s, "none": None}[self.stamps]
        return arrival_s, stamp_s, samples


def measure(drift, stamps, seconds, every_s=120.0):
    """Return how long after each beep its motion is seen [s], the delay told then, the status."""
    engine, clock, _ = make_engine(
        generator=Fine(), senses=False, face_ease_s=0.02, arrival_allowance_s=ALLOWANCE_S
    )
    source, lags_s, delays_s = Source(drift, stamps), [], []
    beep_s, watch, beeping = START_S + 5.0, [], False
    while clock.now_s() < START_S + seconds:
        begins = not beeping and source.heard_s(source.at) >= beep_s
        beeping = beeping or begins
        arrival_s, stamp_s, samples = source.next_chunk(begins)
        while beeping and clock.now_s() + 1 / 60 < arrival_s:
            clock.advance(1 / 60)
            engine.advance()
            watch.append((clock.now_s(), engine.frame_at(clock.now_s()).face[0]))
        clock.advance(max(0.0, arrival_s - clock.now_s()))
        engine.push_audio(stamp_s, samples, RATE_HZ)
        engine.advance()
        middle_s = source.heard_s(source.begin + len(source.beep) / 2)
        if beeping and clock.now_s() > middle_s + 2.0:
            times, levels = np.array(watch).T
            seen = (times > middle_s + 0.4) & (levels > 1e-3)
            lags_s.append(np.average(times[seen], weights=levels[seen]) - middle_s)
            status = engine.status()
            delays_s.append(status.output_delay_s + status.stream_offset_s)
            beep_s, watch, beeping = beep_s + every_s, [], False
    return np.array(lags_s), np.array(delays_s), engine.status()


def assert_in_sync(drift, stamps, seconds):
    lags_s, delays_s, status = measure(drift, stamps, seconds)
    assert len(lags_s) > seconds / 120 - 1
    assert np.ptp(lags_s) < MOST_OFF_S, np.round(lags_s, 4)
    wanted_s = 0.0 if stamps == "clock" else -drift * 120.0
    told_s = delays_s[0] + wanted_s * np.arange(len(delays_s))
    assert delays_s == pytest.approx(told_s, abs=MOST_OFF_S)
    assert status.counts["streams"] == 1
    lost = ("audio_gaps", "cut_samples", "late_packets", "windows_skipped")
    assert [status.counts.get(cause, 0) for cause in lost] == [0] * len(lost)


@pytest.mark.parametrize(("drift", "stamps"), [(-500e-6, "count"), (500e-6, "clock")])
def test_a_clock_that_is_off_moves_nothing_by_20_ms(drift, stamps):
    assert_in_sync(drift, stamps, 500.0)  # by then it is off by more than the allowance


@pytest.mark.slow
@pytest.mark.parametrize("stamps", ["count", "clock", "none"])
@pytest.mark.parametrize("drift", [-200e-6, 200e-6])
def test_not_even_in_an_hour(drift, stamps):
    assert_in_sync(drift, stamps, 3610.0)


def send_over(player, seconds, delay_s, seed=0):
    """Send speech in chunks of 40 ms that come up to `delay_s` late, in order; return it."""
    draw, samples, chunk = np.random.default_rng(seed), speech_like(seconds), 640
    begin_s, free_s = player.clock.now_s(), 0.0
    for start in range(0, len(samples), chunk):
        late_s = delay_s(start / RATE_HZ) * draw.random() ** 2
        free_s = max(free_s, begin_s + (start + chunk) / RATE_HZ + late_s)
        player.send(free_s, begin_s + start / RATE_HZ, samples[start : start + chunk])
    return samples


def late_packets(engine):
    return engine.status().counts.get("late_packets", 0)


def test_the_delay_grows_with_a_late_network_is_told_and_shrinks_again():
    engine, clock, _ = make_engine(
        senses=False, adaptive_arrival=True, arrival_allowance_s=ALLOWANCE_S
    )
    player = Player(engine, clock)
    send_over(player, 90.0, lambda at_s: 0.5 if 10.0 < at_s < 30.0 else 0.02)
    player.run(10.0)
    before = engine.status()
    assert before.arrival_allowance_s == pytest.approx(ALLOWANCE_S)
    player.run(8.0)
    learnt = late_packets(engine)
    player.run(12.0)
    status = engine.status()
    assert late_packets(engine) == learnt  # it knows by now
    assert 0.4 < status.arrival_allowance_s < 0.62
    grown_s = status.output_delay_s - before.output_delay_s
    assert grown_s == pytest.approx(status.arrival_allowance_s - ALLOWANCE_S, abs=0.02)
    assert engine.delay_s == pytest.approx(status.output_delay_s)
    player.run(60.0)
    assert engine.status().arrival_allowance_s < status.arrival_allowance_s
    times, _ = player.motion()
    pace = np.diff(times) * 60
    assert (pace > 1 - GROW_S_S - 1e-6).all()  # no jump, no standstill
    assert (pace < 1 + SHRINK_S_S + 1e-6).all()


def test_without_the_parameter_the_delay_stays():
    engine, clock, _ = make_engine(senses=False)
    player = Player(engine, clock)
    send_over(player, 20.0, lambda at_s: 0.5)
    player.run(20.0)
    assert engine.status().output_delay_s == pytest.approx(engine.output_delay_s)
    assert late_packets(engine) > 0


def test_jitter_within_the_allowance_loses_nothing_whatever_the_stamps():
    for stamped in (True, False):
        engine, clock, _ = make_engine(senses=False, arrival_allowance_s=ALLOWANCE_S)
        player = Player(engine, clock)
        send_over(player, 12.0, lambda at_s: 0.1)
        if not stamped:
            player.arrivals = [(a[0], None, *a[2:]) for a in player.arrivals]
        player.run(14.0)
        counts = engine.status().counts
        assert counts["audio_gaps"] == counts["cut_samples"] == 0


def make_pace(**settings):
    return Pace(WindowPlan(), EngineSettings(arrival_allowance_s=ALLOWANCE_S, **settings))


def hear(pace, seconds, lag_s, begin_s=0.0, stamp_s=None):
    for at_s in np.arange(begin_s, begin_s + seconds, 0.1):
        pace.hear(at_s if stamp_s is None else stamp_s(at_s), 0.1, at_s + 0.1 + lag_s(at_s))
        pace.advance(at_s)


def test_a_stamp_that_jumps_is_no_drift():
    pace = make_pace()
    hear(pace, 100.0, lambda at_s: 0.0 if at_s < 50.0 else -3.0)  # speech synthesis, ahead
    assert pace.delay.offset_s == pytest.approx(0.0, abs=1e-6)
    hear(pace, 100.0, lambda at_s: -0.01 * (at_s - 100.0), begin_s=100.0)  # 1 %: no clock
    assert abs(pace.delay.offset_s) < 1e-6


def test_all_packets_nearly_late_shift_the_stream_before_they_are():
    pace = make_pace()
    hear(pace, 50.0, lambda at_s: 0.0 if at_s < 20.0 else 0.18)
    assert pace.delay.offset_s == pytest.approx(0.08, abs=0.01)


def test_deterministic_streams_keep_their_delay():
    pace = make_pace(deterministic=True, adaptive_arrival=True)
    hear(pace, 60.0, lambda at_s: 1e-3 * at_s)
    assert pace.delay == replace(pace.delay, allowance_s=ALLOWANCE_S, offset_s=0.0)


def test_one_hour_of_lateness_beyond_help_changes_nothing():
    pace = make_pace(adaptive_arrival=True, most_arrival_allowance_s=0.6)
    pace.hear(0.0, 0.1, 5.0)
    assert pace.delay.allowance_s == ALLOWANCE_S
    pace.hear(0.1, 0.1, 0.6)
    assert pace.delay.allowance_s == pytest.approx(0.5 + MARGIN_S)
    pace.hear(0.2, 0.1, 0.79)
    assert pace.delay.allowance_s == 0.6
