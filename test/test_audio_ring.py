import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynfusion_ros.audio.ring import AudioRing
from asynfusion_ros.errors import AudioError

WRITES = st.lists(st.tuples(st.integers(-30, 300), st.integers(0, 60)), max_size=20)


def ramp(start, count):
    return np.arange(start + 1, start + count + 1, dtype=np.float32)


@given(capacity=st.integers(1, 80), writes=WRITES, first=st.integers(-50, 400))
def test_the_ring_is_the_end_of_an_endless_line(capacity, writes, first):
    ring, line, late, gaps = AudioRing(capacity), np.zeros(0, np.float32), 0, 0
    for number, (start, count) in enumerate(writes):
        samples = ramp(1000 * number, count)
        ring.write(start, samples)
        if count:
            gap = max(0, start - len(line))
            dropped = min(max(0, len(line) - start), count)
            line = np.concatenate([line, np.zeros(gap, np.float32), samples[dropped:]])
            late, gaps = late + dropped, gaps + gap
    assert ring.end == len(line)
    assert ring.counts == {"late_samples": late, "gap_samples": gaps}
    times = np.arange(first, first + 100)
    known = (times >= max(0, len(line) - capacity)) & (times < len(line))
    expected = np.zeros(100, np.float32)
    expected[known] = line[times[known]]
    assert (ring.read(first, 100) == expected).all()


@given(sizes=st.lists(st.integers(0, 50), max_size=20))
def test_appending_is_writing_at_the_end(sizes):
    ring, total = AudioRing(64), sum(sizes)
    for size in sizes:
        ring.append(ramp(ring.end, size))
    assert ring.end == total
    kept = min(total, 64)
    assert (ring.read(total - kept, kept) == ramp(total - kept, kept)).all()


def test_a_gap_of_ten_hours_takes_no_time():
    ring = AudioRing(16000)
    ring.append(ramp(0, 16000))
    ring.write(10 * 3600 * 16000, ramp(0, 10))
    assert ring.end == 10 * 3600 * 16000 + 10
    assert (ring.read(ring.end - 16000, 15990) == 0).all()
    assert (ring.read(ring.end - 10, 10) == ramp(0, 10)).all()


def test_clear_begins_a_new_stream():
    ring = AudioRing(100)
    ring.append(ramp(0, 60))
    ring.clear()
    assert ring.end == 0
    assert (ring.read(0, 100) == 0).all()


def test_what_was_read_does_not_change():
    ring = AudioRing(10)
    ring.append(ramp(0, 10))
    before = ring.read(0, 10)
    ring.append(np.zeros(10, np.float32))
    assert (before == ramp(0, 10)).all()


def test_readers_never_see_half_a_write():
    ring, torn = AudioRing(4000), []

    def write():
        for number in range(400):
            ring.append(np.full(1000, number, np.float32))

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        end = ring.end
        block = ring.read(end - 1000, 1000)
        if len(np.unique(block[block > 0])) > 1:
            torn.append(end)
    writer.join()
    assert ring.end == 400_000
    assert torn == []


def test_impossible_requests_are_refused():
    with pytest.raises(AudioError, match="at least 1"):
        AudioRing(0)
    with pytest.raises(AudioError, match="0 or more"):
        AudioRing(10).read(0, -1)
    with pytest.raises(AudioError, match="one channel"):
        AudioRing(10).append(np.zeros((2, 5), np.float32))
