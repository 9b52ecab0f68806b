import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asynfusion_ros.errors import SamplerError
from asynfusion_ros.sampling.order import check_ticks, interleave, parallel, turns
from asynfusion_ros.sampling.window import BRANCHES, Tick, partner_of

COUNTS = st.integers(min_value=1, max_value=30)


def short(order):
    return " ".join(f"{branch[0]}{step}" for branch, step in order)


def test_the_order_of_the_paper_s_four_and_eight_steps():
    assert short(interleave(4, 8)) == "e0 g0 g1 e1 g2 g3 e2 g4 g5 e3 g6 g7"
    assert short(interleave(2, 3)) == "e0 g0 g1 e1 g2"
    assert short(interleave(3, 3)) == "e0 g0 e1 g1 e2 g2"


@settings(deadline=None)  # a busy machine is not an error
@given(expression=COUNTS, gesture=COUNTS)
def test_no_clock_runs_ahead_of_the_other_by_more_than_a_step(expression, gesture):
    counts = {"expression": expression, "gesture": gesture}
    done = dict.fromkeys(BRANCHES, 0)
    for branch, step in interleave(expression, gesture):
        assert step == done[branch]
        other = partner_of(branch)
        own_start, other_next = step / counts[branch], done[other] / counts[other]
        assert own_start <= other_next + 1e-12
        done[branch] += 1
    assert done == counts


@settings(deadline=None)  # a busy machine is not an error
@given(expression=COUNTS, gesture=COUNTS, joint=st.integers(0, 1))
def test_both_ways_of_pacing_are_legal_orders(expression, gesture, joint):
    for make in (turns, parallel):
        check_ticks(make(expression, gesture, joint), expression, gesture, joint)


def test_parallel_steps_overlap_and_turns_do_not():
    def overlaps(ticks):
        under_way, most = set(), 0
        for tick in ticks:
            (under_way.add if tick.kind == "read" else under_way.discard)(tick.branch)
            most = max(most, len(under_way))
        return most

    assert overlaps(turns(4, 8, 1)) == 1
    assert overlaps(parallel(4, 8, 1)) == 2


def test_an_illegal_order_is_refused():
    ticks = list(turns(2, 2))
    with pytest.raises(SamplerError, match="expression"):
        check_ticks(ticks[2:], 2, 2, 0)
    with pytest.raises(SamplerError, match="gesture"):
        check_ticks([*ticks, Tick("gesture", 1, "publish")], 2, 2, 0)
