"""Messages written to MCAP files, as rosbag2 and other programs read them."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from asynfusion_ros.errors import StateError
from asynfusion_ros.mcap_file import Entry, open_mcap

CHUNK_BYTES: Final = 256 * 1024  # what is lost at most when the power fails
RETRY_S: Final = 10.0
_RULE: Final = "=" * 80
_WORDS: Final = {"boolean": "bool", "octet": "byte", "float": "float32", "double": "float64"}
_FIXED = re.compile(r"^(?P<kind>.+)\[(?P<count>\d+)\]$")
_SEQUENCE = re.compile(r"^sequence<(?P<kind>[^,]+)(?:, *(?P<count>\d+))?>$")


def name_of(kind: type[Any]) -> str:
    """Return the name of a message class: `sensor_msgs/msg/JointState`."""
    return f"{kind.__module__.split('.', maxsplit=1)[0]}/msg/{kind.__name__}"


def definition_of(kind: type[Any]) -> str:
    """Return the definition of a message class as text, with those of the messages in it."""
    texts, todo, seen = [], [kind], {kind}
    while todo:
        each = todo.pop(0)
        lines = []
        for name, idl in each.get_fields_and_field_types().items():
            base, suffix = _split(idl)
            lines.append(f"{base}{suffix} {name}")
            inner = _message(base)
            if inner is not None and inner not in seen:
                seen.add(inner)
                todo.append(inner)
        texts.append(("" if each is kind else f"MSG: {_short(each)}\n") + "\n".join(lines) + "\n")
    return f"{_RULE}\n".join(texts)


def _short(kind: type[Any]) -> str:
    return name_of(kind).replace("/msg/", "/")


def _split(idl: str) -> tuple[str, str]:
    """Return type and brackets of a field, as .msg files write them."""
    found, suffix = _SEQUENCE.match(idl), ""
    if found:
        idl, suffix = found["kind"], f"[<={found['count']}]" if found["count"] else "[]"
    elif fixed := _FIXED.match(idl):
        idl, suffix = fixed["kind"], f"[{fixed['count']}]"
    if idl.startswith(("string<", "wstring<")):  # bounded: string<8>
        return idl.replace("<", "<=").rstrip(">"), suffix
    return _WORDS.get(idl, idl), suffix


def _message(name: str) -> type[Any] | None:
    package, _, short = name.rpartition("/")
    return getattr(import_module(f"{package}.msg"), short) if package else None


class McapLog:
    """Writes messages to FILE.mcap, then FILE_1.mcap and so on, each up to a size.

    The oldest files are removed where there are more than `most_files`. A disk that is full, or
    any other failure of the file system, never raises: what cannot be written is counted in
    `counts["lost"]`, and a new file is tried every RETRY_S. What was written before can be read.
    """

    def __init__(self, path: Path, max_mb: float, most_files: int) -> None:
        """Begin nothing yet; raise StateError where mcap is missing or FILE is a folder."""
        self._mcap = open_mcap()
        if path.is_dir() or not path.name:
            raise StateError(f"{path} is a folder; give the name of a file, such as report.mcap")
        self._path = path if path.suffix == ".mcap" else path.with_name(path.name + ".mcap")
        self._most_bytes, self._most_files = max_mb * 1e6, most_files
        self.counts: Counter[str] = Counter(written=0, lost=0, files=0, failures=0)
        self.failure = ""
        self.paths: list[Path] = []
        self._file: Any = None
        self._writer: Any = None
        self._channels: dict[str, int] = {}
        self._again_s = 0.0

    def write(self, entry: Entry, now_s: float) -> None:
        """Record one message at the steady time `now_s`."""
        if self._writer is None and now_s < self._again_s:
            self.counts["lost"] += 1
            return
        try:
            if self._writer is None:
                self._open()
            self._add(entry)
            self.counts["written"] += 1
            if self._file.tell() > self._most_bytes:
                self.close()
        except OSError as error:
            self.counts["lost"] += 1
            self._fail(error, now_s)

    @property
    def size_mb(self) -> float:
        """How much the present file holds [MB]; what is not yet on disk is left out."""
        return 0.0 if self._file is None else float(self._file.tell()) / 1e6

    def close(self) -> None:
        """End the present file; the next message begins another. Raises nothing."""
        writer, file, self._writer, self._file = self._writer, self._file, None, None
        if writer is None:
            return
        try:
            writer.finish()
        except OSError as error:
            self.failure, self.counts["failures"] = str(error), self.counts["failures"] + 1
        with suppress(OSError):
            file.close()

    def _open(self) -> None:
        number = self.counts["files"]
        stem = self._path.stem if number == 0 else f"{self._path.stem}_{number}"
        path = self._path.with_name(f"{stem}.mcap")
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("wb", buffering=0)
        self._file, self._channels = file, {}
        self.counts["files"] += 1
        self.paths.append(path)
        while len(self.paths) > self._most_files:
            with suppress(OSError):
                self.paths.pop(0).unlink()
        self._writer = self._mcap.writer.Writer(_Whole(file), chunk_size=CHUNK_BYTES)
        self._writer.start(profile="ros2", library="asynfusion_ros")

    def _add(self, entry: Entry) -> None:
        channel = self._channels.get(entry.topic)
        if channel is None:
            text = entry.definition.encode()
            schema = self._writer.register_schema(entry.kind, "ros2msg", text)
            channel = self._writer.register_channel(entry.topic, "cdr", schema)
            self._channels[entry.topic] = channel
        time_ns = max(0, entry.time_ns)
        self._writer.add_message(channel, time_ns, entry.data, time_ns)

    def _fail(self, error: OSError, now_s: float) -> None:
        """Give the present file up: it holds all that came before its last chunk."""
        self.failure, self._again_s = str(error), now_s + RETRY_S
        self.counts["failures"] += 1
        self._writer, file, self._file = None, self._file, None
        if file is not None:
            with suppress(OSError):
                file.close()


class _Whole:
    """A file of which each write is complete, or an error."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        return len(data)

    def tell(self) -> int:
        return int(self._file.tell())

    def flush(self) -> None:
        """Nothing waits."""
