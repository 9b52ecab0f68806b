"""The order in which the operating system lets threads run."""

from __future__ import annotations

import os


def set_real_time(priority: int) -> bool:
    """Let the calling thread run before all ordinary ones (SCHED_FIFO); 0 makes it one of them.

    Threads that it starts are ordinary. Returns whether it is as asked: False where the system does
    not allow it (RLIMIT_RTPRIO, CAP_SYS_NICE), or has no such thing. `priority` is 0 to 99.
    """
    if not hasattr(os, "SCHED_FIFO"):
        return priority == 0
    wanted = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK if priority else os.SCHED_OTHER
    if os.sched_getscheduler(0) == wanted and os.sched_getparam(0).sched_priority == priority:
        return True
    try:
        os.sched_setscheduler(0, wanted, os.sched_param(priority))
    except OSError:  # not permitted, or not this high
        return False
    return True
