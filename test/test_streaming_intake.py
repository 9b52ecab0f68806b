from collections import Counter

import numpy as np
import pytest
from streaming_stubs import RATE_HZ, speech_like

from asynfusion_ros.errors import AudioError
from asynfusion_ros.streaming.gate import LoneGuard, SourceGate
from asynfusion_ros.streaming.intake import AudioTimeline, Packet, clean_samples


def make_line(anchor_s=50.0):
    counts = Counter()
    return AudioTimeline(anchor_s, 0.04, 60 * RATE_HZ, counts), counts


def chunks(samples, sizes, anchor_s, rate_hz=RATE_HZ):
    start = 0
    while start < len(samples):
        size = sizes[start % len(sizes)] if len(sizes) > 1 else sizes[0]
        yield Packet(anchor_s + start / rate_hz, samples[start : start + size], rate_hz)
        start += size


def test_any_chunking_gives_back_the_same_samples():
    samples = speech_like(3.0)
    for sizes in ([160], [1, 777, 4000], [48000]):
        line, counts = make_line()
        for packet in chunks(samples, sizes, 50.0):
            assert line.write(packet) == 0
        assert line.head == len(samples)
        assert (line.read(0, len(samples)) == samples).all()
        assert counts["audio_gaps"] == 0


def test_silence_surrounds_the_stream():
    line, _ = make_line()
    line.write(Packet(50.0, np.ones(100, np.float32), RATE_HZ))
    assert (line.read(-50, 200) == np.r_[np.zeros(50), np.ones(100), np.zeros(50)]).all()
    assert (line.read(-500, 100) == 0).all()
    assert (line.read(5000, 100) == 0).all()


def test_a_gap_becomes_silence_of_the_same_length():
    line, counts = make_line()
    line.write(Packet(50.0, np.ones(1600, np.float32), RATE_HZ))
    line.write(Packet(50.3, np.ones(1600, np.float32), RATE_HZ))
    assert line.head == round(0.4 * RATE_HZ)
    assert (line.read(1600, 3200) == 0).all()
    assert (line.read(4800, 1600) == 1).all()
    assert counts["audio_gaps"] == 1


def test_jittering_stamps_are_continuous():
    line, counts = make_line()
    samples = speech_like(2.0)
    rng = np.random.default_rng(0)
    for packet in chunks(samples, [800], 50.0):
        jitter_s = rng.uniform(-0.03, 0.03) if packet.stamp_s > 50 else 0.0
        line.write(Packet(packet.stamp_s + jitter_s, packet.samples, RATE_HZ))
    assert (line.read(0, len(samples)) == samples).all()
    assert counts["audio_gaps"] == 0


def test_what_lies_before_the_head_is_cut():
    line, counts = make_line()
    line.write(Packet(50.0, np.ones(3200, np.float32), RATE_HZ))
    cut_s = line.write(Packet(50.1, np.full(3200, 0.5, np.float32), RATE_HZ))
    assert cut_s == pytest.approx(0.1)
    assert line.head == 4800
    assert (line.read(0, 3200) == 1).all()
    assert counts["cut_samples"] == 1600


@pytest.mark.parametrize("rate_hz", [8000, 44100, 48000])
def test_other_rates_are_resampled_in_place(rate_hz):
    t = np.arange(2 * rate_hz) / rate_hz
    samples = np.sin(2 * np.pi * 440 * t).astype(np.float32)
    lines = []
    for sizes in ([rate_hz // 50], [997], [2 * rate_hz]):
        line, _ = make_line()
        for packet in chunks(samples, sizes, 50.0, rate_hz):
            line.write(packet)
        line.fill_to(2 * RATE_HZ)
        lines.append(line.read(0, 31000))
    expected = np.sin(2 * np.pi * 440 * np.arange(31000) / RATE_HZ)
    assert np.abs(lines[0][500:] - expected[500:]).max() < 0.02
    for other in lines[1:]:
        assert np.abs(other - lines[0]).max() < 1e-4


def test_a_rate_change_keeps_audio_time():
    line, counts = make_line()
    line.write(Packet(50.0, np.zeros(48000, np.float32), 48000))
    for start in range(0, 22050, 2205):
        line.write(Packet(51.0 + start / 22050, np.ones(2205, np.float32), 22050))
    line.fill_to(round(2.5 * RATE_HZ))
    assert counts["rate_changes"] == 1
    assert counts["audio_gaps"] == 0
    heard = line.read(0, round(2.5 * RATE_HZ))
    assert np.flatnonzero(heard > 0.5)[0] == pytest.approx(RATE_HZ, abs=20)
    assert np.flatnonzero(heard > 0.5)[-1] == pytest.approx(2 * RATE_HZ, abs=20)


def gate_and_line():
    line, counts = make_line()
    gate = SourceGate("a", 0.04, counts)
    line.write(Packet(50.0, np.zeros(1600, np.float32), RATE_HZ, "a"))
    return gate, line, counts


def packet(stamp_s, source="a"):
    return Packet(stamp_s, np.zeros(1600, np.float32), RATE_HZ, source)


def test_the_first_source_wins_while_it_speaks():
    gate, line, counts = gate_and_line()
    assert gate.admit(packet(50.1, "b"), line) == []
    assert counts["other_source"] == 1
    line.fill_to(6400)
    assert gate.admit(packet(50.5, "b"), line) != []


def test_an_unnamed_second_source_between_packets_is_left_out():
    gate, line, counts = gate_and_line()
    for number in range(1, 20):
        for own in gate.admit(packet(50.0 + number / 10), line):
            line.write(own)
        assert gate.admit(packet(93.03 + number / 10), line) == []
    assert line.head == 20 * 1600
    assert counts["other_source"] == 18  # the last one still waits
    assert counts["audio_gaps"] == 0


def test_a_source_that_jumps_is_followed_after_one_packet():
    gate, line, _ = gate_and_line()
    first, second = packet(51.0), packet(51.1)
    assert gate.admit(first, line) == []
    assert gate.admit(second, line) == [first, second]


def test_a_lone_packet_after_a_gap_is_let_in_when_its_time_comes():
    gate, line, _ = gate_and_line()
    lone = packet(51.0)
    assert gate.admit(lone, line) == []
    assert gate.release(50.9, line) is None
    assert gate.release(51.0, line) is lone
    assert gate.release(60.0, line) is None


def test_duplicates_are_dropped():
    gate, line, counts = gate_and_line()
    assert gate.admit(packet(50.0), line) == []
    assert counts["duplicates"] == 1


def test_bad_samples_are_mended_and_counted():
    counts = Counter()
    samples = np.array([0.5, np.nan, np.inf, -np.inf, 3.0, -2.0], np.float32)
    mended = clean_samples(samples, 16000, counts)
    assert (mended == np.array([0.5, 0, 0, 0, 1, -1], np.float32)).all()
    assert counts == {"nan_samples": 3, "clipped_samples": 2}


@pytest.mark.parametrize("rate_hz", [0, -1, 7999, 192001])
def test_impossible_rates_are_refused(rate_hz):
    with pytest.raises(AudioError, match="8000 to 192000"):
        clean_samples(np.zeros(10, np.float32), rate_hz, Counter())


@pytest.mark.parametrize("samples", [np.zeros((2, 10), np.float32), np.zeros(10, np.int16)])
def test_other_shapes_and_types_are_refused(samples):
    with pytest.raises(AudioError, match="one channel of floats"):
        clean_samples(samples, 16000, Counter())


# ---- packets far ahead --------------------------------------------------------------------------


def packet_at(stamp_s, source="one", seconds=0.1):
    return Packet(stamp_s, np.zeros(round(seconds * 16000), np.float32), 16000, source, 100.0)


def test_a_single_packet_far_ahead_waits_until_the_next_continues_it():
    counts = Counter()
    guard = LoneGuard(counts)
    first, second = packet_at(160.0), packet_at(160.1)
    assert guard.admit(packet_at(104.0), 100.0)  # near enough
    assert guard.admit(first, 100.0) == []
    assert guard.waiting == 1600
    assert guard.admit(packet_at(100.1, "other"), 100.0)  # the live one goes on meanwhile
    assert guard.admit(second, 100.0) == [first, second]
    assert guard.waiting == 0
    assert guard.admit(packet_at(160.2), 160.2)  # next to what waits
    assert not counts


def test_a_single_packet_far_ahead_comes_when_its_time_does_or_is_counted():
    counts = Counter()
    guard = LoneGuard(counts)
    guard.admit(packet_at(160.0), 100.0)
    assert guard.release(159.9) == []
    assert [p.stamp_s for p in guard.release(160.0)] == [160.0]
    guard.admit(packet_at(190.0), 100.0)
    guard.admit(packet_at(150.0, "other"), 100.0)  # the newest is the one that may be continued
    assert counts == {"other_source": 1, "samples_dropped": 1600}
    guard.close()
    assert counts["other_source"] == 2
    assert guard.waiting == 0


def test_packets_without_a_stamp_are_never_far_ahead():
    assert len(LoneGuard(Counter()).admit(packet_at(float("nan")), 100.0)) == 1
