"""What every executable does: make the node, spin it in one thread, end it cleanly."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import rclpy
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from asynfusion_ros.errors import AsynFusionError

_SPIN_S = 0.1
_LOCK_S = 0.0005  # a thread that computes gives Python's lock to one that publishes this soon
_USER_ERRORS = (AsynFusionError, InvalidParameterTypeException, InvalidParameterValueException)


def run_node(make: Callable[[], Any], argv: Sequence[str] | None = None) -> int:
    """Spin the node, and those in its `nodes`, until it is done or told to stop.

    Returns the exit status.

    The node is done when its `exit_status` is no longer None; its `close()` is called before it is
    destroyed. SIGINT and SIGTERM end the loop, not the process, so that closing is never
    interrupted. An error that the user can mend is said in one line and gives status 2.
    """
    sys.setswitchinterval(_LOCK_S)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    words = None if argv is None else list(argv)
    try:
        rclpy.init(args=words, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # the kind of rcl's own errors, which has no public name
        return _refuse(
            f"ROS 2 does not start: {error}. Where it cannot write its log, set ROS_LOG_DIR to a "
            "folder that you may write; where it cannot read an argument, see --ros-args"
        )
    try:
        node = make()
    except _USER_ERRORS as error:
        rclpy.try_shutdown()
        return _refuse(str(error))
    executor = SingleThreadedExecutor()
    for each in (node, *getattr(node, "nodes", ())):
        executor.add_node(each)
    try:
        while rclpy.ok() and not stop.is_set() and node.exit_status is None:
            executor.spin_once(timeout_sec=_SPIN_S)
    finally:
        node.close()
        executor.shutdown(timeout_sec=1.0)
        node.destroy_node()
        rclpy.try_shutdown()
    return node.exit_status or 0


def _refuse(reason: str) -> int:
    print(f"asynfusion: {reason}", file=sys.stderr, flush=True)
    return 2
