"""How the executables begin: a node's module takes seconds to import, and may be stopped sooner."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module


def start_node(name: str) -> int:
    """Import the module `name` of this package and run its `main`; return the exit status.

    Told to stop before the module is there, the process ends at once and in silence: it holds
    nothing yet, and a traceback out of an import tells nobody anything.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
    main = import_module(f"asynfusion_ros.nodes.{name}").main
    return int(main())


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("asynfusion: name a node: python -m asynfusion_ros.nodes.start avatar_node")
    sys.exit(start_node(sys.argv.pop(1)))
