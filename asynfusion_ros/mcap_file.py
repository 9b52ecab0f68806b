"""Recordings of ROS 2 messages in MCAP files: opened and read, without ROS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple

from asynfusion_ros.errors import DataError, StateError
from asynfusion_ros.files import refuse

MOST_RECORD_BYTES: Final = 80 * 1024**2  # an audio message may have 64 MiB


class Entry(NamedTuple):
    """One recorded message.

    Its topic, its type (`package/msg/Name`), when it came, its CDR, and the definition of its type.
    """

    topic: str
    kind: str
    time_ns: int
    data: bytes
    definition: str


def open_mcap() -> Any:
    """Return the module mcap; raise StateError, saying what to do, where it is missing."""
    try:
        import mcap.writer  # noqa: PLC0415 (optional)
    except ImportError as error:
        raise StateError(
            f"recording needs the package mcap ({error}); run `pip install mcap`"
        ) from error
    return mcap


def read_mcap(path: Path) -> Iterator[Entry]:
    """Yield the messages of a recording as they were written; it may have been cut off.

    Raises DataError, saying what to do, where it is no MCAP file or is damaged, and StateError
    where the package mcap is missing.
    """
    open_mcap()
    from mcap.records import Channel, Chunk, Message, Schema  # noqa: PLC0415 (optional)
    from mcap.stream_reader import StreamReader, breakup_chunk  # noqa: PLC0415

    if not path.is_file():
        raise DataError(f"{path} is no file; give a recording of `asynfusion record`")
    schemas: dict[int, tuple[str, str]] = {}
    channels: dict[int, tuple[str, str, str]] = {}
    with path.open("rb") as file, refuse(DataError, f"{path} is damaged; read what is before"):
        reader = StreamReader(file, emit_chunks=True, record_size_limit=MOST_RECORD_BYTES)
        for outer in _until_the_end(reader.records):
            if isinstance(outer, Chunk):
                _check_chunk(outer)
            for record in breakup_chunk(outer) if isinstance(outer, Chunk) else [outer]:
                if isinstance(record, Schema):
                    schemas[record.id] = record.name, record.data.decode(errors="replace")
                elif isinstance(record, Channel):
                    channels[record.id] = record.topic, *schemas.get(record.schema_id, ("", ""))
                elif isinstance(record, Message):
                    topic, kind, definition = channels[record.channel_id]
                    yield Entry(topic, kind, record.log_time, record.data, definition)


def import_ros2(name: str) -> Any:
    """Return a module of mcap_ros2; raise StateError, saying what to do, where it is missing."""
    try:
        return import_module(f"mcap_ros2.{name}")
    except ImportError as error:
        raise StateError(
            f"recordings become motion by the package mcap-ros2-support ({error}); run "
            "`pip install 'asynfusion_ros[record]'`"
        ) from error


class Decoder:
    """Messages of recorded entries, by the definitions that were recorded with them."""

    def __init__(self) -> None:
        """Raise StateError where mcap_ros2 is missing."""
        self._factory = import_ros2("decoder").DecoderFactory()
        self._known: dict[tuple[str, str], Callable[[bytes], Any]] = {}

    def decode(self, entry: Entry) -> Any:
        """Return the message, its fields as attributes; raise DataError where it makes no sense."""
        key = entry.kind, entry.definition
        with refuse(DataError, f"a message of {entry.topic} ({entry.kind}) makes no sense"):
            if key not in self._known:
                schema = open_mcap().records.Schema(
                    id=len(self._known) + 1,
                    name=entry.kind,
                    encoding="ros2msg",
                    data=entry.definition.encode(),
                )
                self._known[key] = self._factory.decoder_for("cdr", schema)
            return self._known[key](entry.data)


def _check_chunk(chunk: Any) -> None:
    """Raise DataError for a chunk that would unpack to more than a message may have."""
    import zstandard  # noqa: PLC0415 (comes with mcap)

    size = int(chunk.uncompressed_size)
    if chunk.compression == "zstd":
        size = max(size, int(zstandard.get_frame_parameters(chunk.data).content_size))
    elif chunk.compression:
        raise DataError(f"compression {chunk.compression} is not read; convert it to zstd")
    if size > MOST_RECORD_BYTES:
        raise DataError(f"a chunk unpacks to {size} bytes; {MOST_RECORD_BYTES} at most")


def _until_the_end(records: Iterator[Any]) -> Iterator[Any]:
    """Yield records up to where a recording was cut off."""
    from mcap.exceptions import EndOfFile  # noqa: PLC0415 (optional)

    with suppress(EndOfFile):
        yield from records
