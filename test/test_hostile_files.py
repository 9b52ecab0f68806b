"""Files that are no files, lie about their size, or would fill the memory."""

import os
import resource
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fuzz_targets import Target, feed

from asynfusion_ros.audio.resample import MOST_MESSAGE_BYTES, convert_to_mono_float, load_audio
from asynfusion_ros.audio.sources import WavSource
from asynfusion_ros.errors import (
    AudioError,
    DataError,
    MotionFileError,
)
from asynfusion_ros.files import read_arrays, read_text
from asynfusion_ros.motion.bvh import read_bvh


def test_devices_and_pipes_are_not_read(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero"), tmp_path):
        with pytest.raises(DataError, match="no plain file"):
            read_text(path, DataError)
        with pytest.raises(AudioError, match="no file"):
            WavSource(path)
        with pytest.raises(MotionFileError, match="no plain file"):
            read_bvh(path)


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "a.json"
    with path.open("wb") as file:
        file.truncate(300 * 1024**2)  # sparse: nothing on disk
    with pytest.raises(DataError, match="cut it into smaller files"):
        read_text(path, DataError)


# ---- arrays -------------------------------------------------------------------------------------


def write_member(path, header, content=b""):
    text = header.encode().ljust(118) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("face.npy", b"\x93NUMPY\x01\x00" + bytes([len(text), 0]) + text + content)


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 51)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (100000000, 51)}",
        "{'descr': '<U0', 'fortran_order': False, 'shape': (1000000000000,)}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}",
        "__import__('os').system('id')",
    ],
)
def test_arrays_that_lie_about_their_size_cost_nothing(tmp_path, header):
    path = tmp_path / "a.npz"
    write_member(path, header)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match="no npz of plain arrays"):
        read_arrays(path, DataError)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 200_000


def test_a_zip_bomb_is_seen_before_it_unpacks(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("face.npy", bytes(50_000_000))
    assert path.stat().st_size < 100_000
    with pytest.raises(DataError, match="unpacks to 50000000 bytes"):
        read_arrays(path, DataError, most_bytes=1_000_000)


# ---- sound --------------------------------------------------------------------------------------


def test_a_header_that_promises_days_of_sound_costs_nothing(tmp_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, np.zeros(5000), 16000)
    data = bytearray(path.read_bytes())
    data[21] |= 0x0F  # the 36 bits of STREAMINFO that count the samples
    data[22:26] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    feed(Target("flac", (), lambda _: load_audio(path)), b"")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 200_000


def test_too_many_channels_and_too_large_messages_are_refused(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros((100, 9)), 16000)
    with pytest.raises(AudioError, match="9 channels; mix"):
        load_audio(path)
    with pytest.raises(AudioError, match="in one piece"):
        convert_to_mono_float(bytes(MOST_MESSAGE_BYTES + 2), "int16", 1)
