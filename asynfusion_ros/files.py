"""Files from strangers: read within a limit of size, as plain values, or refused with what to do.

Nothing that is read here can run code: no pickle, no YAML tags or aliases, no compression but
deflate. Whatever a parser stumbles over becomes the caller's own error, never a crash.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import yaml

from asynfusion_ros.errors import AsynFusionError, brief

MOST_YAML_BYTES: Final = 256 * 1024
MOST_JSON_BYTES: Final = 256 * 1024**2
MOST_ARRAY_BYTES: Final = 4 * 1024**3
MOST_ARRAYS: Final = 1000
MOST_DIGITS: Final = 100

Refusal = type[AsynFusionError]
Arrays = dict[str, npt.NDArray[Any]]


class _PlainLoader(yaml.SafeLoader):
    """SafeLoader without aliases, with which a few lines can stand for gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not read; write the values out")
        return super().compose_node(parent, index)

    def construct_yaml_int(self, node: Any) -> Any:
        if len(node.value) > MOST_DIGITS:
            raise yaml.YAMLError(
                f"a number of {len(node.value)} digits; write at most {MOST_DIGITS}"
            )
        return super().construct_yaml_int(node)


_PlainLoader.add_constructor("tag:yaml.org,2002:int", _PlainLoader.construct_yaml_int)


@contextmanager
def refuse(error: Refusal, label: str) -> Iterator[None]:
    """Turn whatever a parser raises on a stranger's bytes into `error`; our own errors pass."""
    try:
        yield
    except AsynFusionError:
        raise
    except Exception as found:  # no list of what libraries raise on garbage is ever complete
        raise error(f"{label}: {brief(str(found) or type(found).__name__)}") from found


def check_file(path: Path, most_bytes: int, error: Refusal) -> int:
    """Return the size of a regular file; raise `error` if there is none or it is too large."""
    path = Path(path)
    with refuse(error, f"{path} cannot be read"):
        if not path.is_file():  # a pipe or a device would be read for ever
            raise error(f"{path} does not exist or is no plain file; give the path of one")
        size = path.stat().st_size
    if size > most_bytes:
        raise error(
            f"{path} has {size} bytes; at most {most_bytes} are read: cut it into smaller files"
        )
    return size


def read_bytes(path: Path, error: Refusal, most_bytes: int) -> bytes:
    """Return a file's content; raise `error` where it is missing or larger than `most_bytes`."""
    check_file(path, most_bytes, error)
    with refuse(error, f"{path} cannot be read"), Path(path).open("rb") as file:
        return file.read(most_bytes)


def read_text(path: Path, error: Refusal, most_bytes: int = MOST_JSON_BYTES) -> str:
    """Return a file's UTF-8 text; raise `error` where it is too large or no text."""
    content = read_bytes(path, error, most_bytes)
    with refuse(error, f"{path} is no UTF-8 text; save it as such"):
        return content.decode("utf-8")


def read_lines(path: Path, error: Refusal, most_bytes: int = MOST_JSON_BYTES) -> list[str]:
    """Return a file's lines; what is no UTF-8 is replaced, since one bad line must not hide all."""
    return read_bytes(path, error, most_bytes).decode("utf-8", errors="replace").splitlines()


def parse_json(text: str, error: Refusal, label: str) -> Any:
    """Return the plain values of a JSON text; raise `error`, which begins with `label`."""
    with refuse(error, f"{label} is not readable JSON"):
        return json.loads(text)


def read_json(path: Path, error: Refusal, most_bytes: int = MOST_JSON_BYTES) -> Any:
    """Return the plain values of a JSON file; raise `error` where it is none."""
    return parse_json(read_text(path, error, most_bytes), error, str(path))


def parse_yaml(text: str, error: Refusal, label: str) -> Any:
    """Return the plain values of a YAML text without aliases; raise `error`."""
    if len(text) > MOST_YAML_BYTES:
        raise error(f"{label} has {len(text)} characters; at most {MOST_YAML_BYTES} are read")
    with refuse(error, f"{label} is not readable YAML"):
        loader = _PlainLoader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()


def read_yaml(path: Path, error: Refusal) -> Any:
    """Return the plain values of a YAML file; raise `error` where it is none."""
    return parse_yaml(read_text(path, error, MOST_YAML_BYTES), error, str(path))


def read_arrays(path: Path, error: Refusal, most_bytes: int = MOST_ARRAY_BYTES) -> Arrays:
    """Return all arrays of an npz; raise `error` where it is none, needs pickle, or is a bomb.

    `most_bytes` bounds the file and what it unpacks to.
    """
    check_file(path, most_bytes, error)
    with refuse(error, f"{path} is no npz of plain arrays"), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        size = sum(member.file_size for member in members)
        if size > most_bytes or len(members) > MOST_ARRAYS:
            raise error(
                f"{path} unpacks to {size} bytes in {len(members)} arrays; at most {most_bytes} "
                f"in {MOST_ARRAYS} are read: cut it into smaller files"
            )
        return {
            member.filename.removesuffix(".npy"): _read_member(archive, member)
            for member in members
        }


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> npt.NDArray[Any]:
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{member.filename} is compressed otherwise than numpy does")
    with archive.open(member) as file:
        array: npt.NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    if array.dtype.itemsize == 0 and array.size:  # a header of 100 bytes may name 10^18 of them
        raise ValueError(f"{member.filename} holds {array.size} values of no size")
    return array
