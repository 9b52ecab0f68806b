#!/usr/bin/env python3
"""Feed garbage to every parser and message path for as long as you like, and count what happens.

    python scripts/fuzz.py --inputs 100000              # mutations of sound inputs, seeded
    python scripts/fuzz.py --atheris bvh --seconds 600  # guided by coverage, where atheris is there

An input is taken, refused (one of the project's own errors), or a fault: any other exception, or
more than 10 s of CPU time. Memory is limited to 8 GiB. Faults are kept in --keep, named by target
and SHA-1; the exit status is then 1. Each target gets the same share of time.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(REPO), str(REPO / "test")]

GUIDED = "--atheris" in sys.argv
if GUIDED:
    import atheris  # optional; it has to see the modules as they are imported

with atheris.instrument_imports(include=["asynfusion_ros"]) if GUIDED else nullcontext():
    from fuzz_targets import Target, make_targets, mutate

    from asynfusion_ros.errors import AsynFusionError

HANG_CPU_S = 10
HANG_S = 300  # of waiting, on a machine that may be busy
SLICE_S = 0.1  # of CPU time
MOST_BYTES = 8 * 1024**3


class HangError(BaseException):
    """An input took too long; no `except Exception` may swallow it."""


def _on_alarm(number: int, frame: Any) -> None:
    raise HangError


def feed(target: Target, data: bytes, counts: Counter[str], keep: Path) -> None:
    """Feed one input and count its outcome."""
    start_s = time.process_time()
    signal.alarm(HANG_S)
    signal.setitimer(signal.ITIMER_PROF, HANG_CPU_S)
    try:
        target.feed(data)
        counts["taken"] += 1
    except AsynFusionError as error:
        counts["refused" if str(error).strip() else "faults"] += 1
    except (Exception, HangError) as error:
        counts["faults"] += 1
        _disarm()
        _keep(target, data, error, keep)
    finally:
        _disarm()
    counts["inputs"] += 1
    counts["slowest_us"] = max(counts["slowest_us"], round(1e6 * (time.process_time() - start_s)))


def _disarm() -> None:
    signal.alarm(0)
    signal.setitimer(signal.ITIMER_PROF, 0)


def _keep(target: Target, data: bytes, error: BaseException, keep: Path) -> None:
    keep.mkdir(parents=True, exist_ok=True)
    name = f"{target.name.replace(' ', '_')}-{hashlib.sha1(data).hexdigest()[:12]}"
    (keep / name).write_bytes(data)
    (keep / f"{name}.txt").write_text("".join(traceback.format_exception(error)))
    print(f"FAULT {name}: {error!r:.300}", flush=True)


def run(
    targets: list[Target], inputs: int, seconds: float, seed: int, keep: Path
) -> dict[str, Counter[str]]:
    """Feed mutations in turn, a slice of time to each target, until inputs or time are spent.

    Ctrl-C ends it with a report.
    """
    rng = random.Random(seed)
    table = {target.name: Counter[str]() for target in targets}
    end_s = time.monotonic() + seconds
    total = 0
    stopped: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: stopped.append(number))
    while total < inputs and time.monotonic() < end_s and not stopped:
        for target in targets:
            slice_end_s = time.process_time() + SLICE_S
            while total < inputs and time.process_time() < slice_end_s:
                feed(target, mutate(rng.choice(target.seeds), rng), table[target.name], keep)
                total += 1
    return table


def run_atheris(target: Target, seconds: float, keep: Path) -> None:
    """Let coverage choose the inputs; ends the process."""
    counts: Counter[str] = Counter()

    def test(data: bytes) -> None:
        feed(target, data, counts, keep)
        if counts["inputs"] % 10000 == 0:
            print(target.name, dict(counts), flush=True)
        if counts["faults"]:
            raise RuntimeError("a fault; see the folder of faults")

    corpus = Path(tempfile.mkdtemp())
    for number, seed in enumerate(target.seeds):
        (corpus / str(number)).write_bytes(seed)
    atheris.Setup([sys.argv[0], f"-max_total_time={int(seconds)}", str(corpus)], test)
    atheris.Fuzz()


def main() -> int:
    """Fuzz and report; return 1 where there were faults."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="targets by name (default: all)")
    parser.add_argument("--keep", type=Path, default=Path("fuzz_faults"))
    parser.add_argument("--report", type=Path, help="JSON file for the counts")
    parser.add_argument("--atheris", metavar="TARGET", help="fuzz one target guided by coverage")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    for number in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(number, _on_alarm)
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        targets = make_targets(Path(folder))
        if arguments.atheris:
            target = next(t for t in targets if t.name == arguments.atheris)
            run_atheris(target, min(arguments.seconds, 1e6), arguments.keep)
        chosen = [t for t in targets if not arguments.only or t.name in arguments.only]
        begin_s = time.monotonic()
        table = run(chosen, arguments.inputs, arguments.seconds, arguments.seed, arguments.keep)
    return report(table, time.monotonic() - begin_s, before_mb, arguments)


def report(
    table: dict[str, Counter[str]], seconds: float, before_mb: float, arguments: argparse.Namespace
) -> int:
    """Print the counts, write them where asked; return 1 where there were faults."""
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{'target':<18}{'inputs':>9}{'taken':>9}{'refused':>9}{'faults':>8}{'slowest':>11}")
    total: Counter[str] = Counter()
    for name, counts in table.items():
        slowest_ms = counts["slowest_us"] / 1e3
        numbers = [counts[key] for key in ("inputs", "taken", "refused", "faults")]
        total.update({key: counts[key] for key in ("inputs", "taken", "refused", "faults")})
        print(f"{name:<18}" + "{:>9}{:>9}{:>9}{:>8}".format(*numbers) + f"{slowest_ms:>8.0f} ms")
    print(
        f"{total['inputs']} inputs in {seconds:.0f} s (seed {arguments.seed}): {total['taken']} "
        f"taken, {total['refused']} refused, {total['faults']} faults; at most {peak_mb:.0f} MB "
        f"of memory ({before_mb:.0f} MB before)"
    )
    if arguments.report:
        values = {"total": dict(total), "peak_mb": peak_mb, "targets": table}
        arguments.report.write_text(json.dumps(values, indent=1) + "\n")
    return int(total["faults"] > 0)


if __name__ == "__main__":
    sys.exit(main())
