from itertools import pairwise

import pytest

from asynfusion_ros.streaming.chunk import ChunkTimings
from asynfusion_ros.streaming.governor import StepGovernor, Steps, ladder
from asynfusion_ros.streaming.status import HISTORY_WINDOWS, WindowMeter

LEAST = [(24, 1), (12, 1), (12, 2)]  # overlap, stride


def test_the_body_gives_up_steps_before_the_face_then_overlap_then_poses():
    steps = [Steps(4, 8), Steps(4, 4), Steps(4, 2), Steps(2, 2)]
    assert ladder(Steps(4, 8)) == steps + [Steps(2, 2, *each) for each in LEAST]
    assert ladder(Steps(1, 1)) == [Steps(1, 1)] + [Steps(1, 1, *each) for each in LEAST]


@pytest.mark.parametrize(("face", "body"), [(4, 8), (8, 8), (25, 25), (3, 1), (1, 7)])
def test_steps_only_fall_and_never_below_one(face, body):
    rungs = ladder(Steps(face, body))
    for above, below in pairwise(rungs):
        assert below != above
        assert 1 <= below.expression <= above.expression
        assert 1 <= below.gesture <= above.gesture
        assert below.gesture < above.gesture or rungs[-1].gesture == below.gesture
        assert below.pose_stride >= above.pose_stride


def test_overload_sheds_at_once_and_ease_must_last():
    governor = StepGovernor(Steps(4, 8))
    assert governor.observe(1.2, missed=False) == -1
    assert governor.observe(0.3, missed=True) == -1
    assert governor.steps == Steps(4, 2)
    assert [governor.observe(0.3, missed=False) for _ in range(20)] == [0] * 19 + [1]
    assert governor.steps == Steps(4, 4)


def test_a_busy_but_timely_engine_stays_where_it_is():
    governor = StepGovernor(Steps(4, 8))
    governor.observe(1.2, missed=False)
    assert all(governor.observe(0.75, missed=False) == 0 for _ in range(100))


def test_without_leave_nothing_is_shed():
    governor = StepGovernor(Steps(4, 8), enabled=False)
    assert all(governor.observe(5.0, missed=True) == 0 for _ in range(10))
    assert governor.steps == Steps(4, 8)


def test_only_the_newest_windows_are_kept():
    meter = WindowMeter(hop_s=0.4)
    assert meter.report() == {}
    for number in range(10 * HISTORY_WINDOWS):
        meter.add(ChunkTimings(total_s=number / 1e3))
    window_ms = meter.report()["window_ms"]
    assert window_ms.last == pytest.approx(10 * HISTORY_WINDOWS - 1)
    assert window_ms.p50 == pytest.approx(9.5 * HISTORY_WINDOWS - 0.5)


def test_the_real_time_factor_is_compute_over_hop():
    meter = WindowMeter(hop_s=0.4)
    for total_s in (0.1, 0.3):
        meter.add(ChunkTimings(total_s=total_s, feature_s=0.01))
    report = meter.report()
    assert report["real_time_factor"] == pytest.approx(0.5)
    assert report["window_ms"].p50 == pytest.approx(200)
    assert report["feature_ms"].last == pytest.approx(10)
