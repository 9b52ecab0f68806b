"""Where a device's time went in a window, by the events between the pieces of its work."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from asynfusion_ros.sampling.device_work import Event
from asynfusion_ros.sampling.launches import Launches
from asynfusion_ros.sampling.recorded_window import RecordedWindow
from asynfusion_ros.sampling.window import BranchTimings


def measure(
    window: RecordedWindow,
    branch: str,
    marks: Sequence[Event],
    launches: Launches,
    seconds: Callable[[Event, Event], float],
) -> BranchTimings:
    """Return the timings of one branch once the window is done.

    `marks` stand around the condition and each joint step; a later step counts from the end of what
    its lane did before, so that waiting for the partner is part of it.
    """
    steps = [seconds(first, last) for first, last in pairwise(marks[1:])]
    ages, lags = [math.nan] * len(steps), [math.nan] * len(steps)
    for step in window.plan.of(branch):
        since, end = launches.span_of(step)
        steps.append(seconds(since, end))
        heard = window.plan.heard.get(step)
        if heard is None:
            ages.append(math.nan)
            lags.append(math.nan)
            continue
        joint = heard[1] < window.plan.joint_steps
        said = marks[-1] if joint else launches.end_of(heard)
        ages.append(max(0.0, seconds(said, since)))
        lags.append(float(window.times[heard[0]][heard[1]] - window.times[branch][step[1]]))
    condition_s = seconds(marks[0], marks[1])
    return BranchTimings(condition_s, tuple(steps), tuple(ages), tuple(lags))
