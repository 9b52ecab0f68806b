"""A trained model in files that are small enough to send, and whole again where they arrive.

    python3 benchmarks/gpu/ship.py split runs/gpu/base sent
    python3 benchmarks/gpu/ship.py join sent models/base

Only the distilled network travels, in half precision; its figures are measured after that.
"""

from __future__ import annotations

import argparse
import io
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path

from asynfusion_ros.errors import CheckpointError
from asynfusion_ros.sampling import Checkpoint

PART_BYTES = 15_000_000


def split(model: Path, out: Path) -> list[Path]:
    """Write the model as parts; return them."""
    checkpoint = Checkpoint.load(model)
    half = replace(checkpoint, teacher=None, lcm=checkpoint.network("lcm").half())
    packed = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=packed, mode="w") as archive:
        half.save(Path(folder))
        for file in sorted(Path(folder).iterdir()):
            archive.add(file, file.name)
    content = packed.getvalue()
    out.mkdir(parents=True, exist_ok=True)
    parts = []
    for index, first in enumerate(range(0, len(content), PART_BYTES)):
        part = out / f"model.tar.{index:02d}"
        part.write_bytes(content[first : first + PART_BYTES])
        parts.append(part)
    return parts


def join(parts: Path, out: Path) -> Checkpoint:
    """Put the parts of a folder together again, and load the model from `out`."""
    found = sorted(parts.glob("model.tar.*"))
    if not found:
        raise CheckpointError(f"{parts} holds no model.tar.00; give the folder that `split` wrote")
    content = io.BytesIO(b"".join(part.read_bytes() for part in found))
    out.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=content) as archive:
        archive.extractall(out, filter="data")
    return Checkpoint.load(out)


def main() -> None:
    """Split or join."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=("split", "join"))
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    if arguments.action == "split":
        for part in split(arguments.source, arguments.out):
            print(f"{part} {part.stat().st_size / 1e6:.1f} MB")
        return
    join(arguments.source, arguments.out)
    print(f"{arguments.out} is whole")


if __name__ == "__main__":
    main()
