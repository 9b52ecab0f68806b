"""Every door by which strangers' bytes come in: what to feed it, and what must hold afterwards.

A target takes bytes. It returns (taken), raises an AsynFusionError (refused), or anything else
(a crash). `scripts/fuzz.py` and `test_hostile_input.py` both feed these.
"""

import math
import random
import struct
import time
from collections import Counter
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from fuzz_doors import MANIFEST_ROW, SETTINGS_YAML, SMALL_BVH, TINY_URDF, Doors, rng_bytes
from streaming_stubs import StubGenerator, make_engine

from asynfusion_ros.audio.resample import (
    ENCODINGS,
    StreamingResampler,
    convert_to_mono_float,
)
from asynfusion_ros.data.project import read_row
from asynfusion_ros.errors import AsynFusionError, AudioError, ConfigError
from asynfusion_ros.files import parse_yaml
from asynfusion_ros.graph import GraphArguments
from asynfusion_ros.motion.manner import STYLE_NAMES, read_style
from asynfusion_ros.nodes.board import render_board
from asynfusion_ros.nodes.health import Health
from asynfusion_ros.nodes.top_screen import render_screen, to_text
from asynfusion_ros.resources import find_path, find_resource
from asynfusion_ros.retarget.model import RobotModel
from asynfusion_ros.settings import settings_from_text
from asynfusion_ros.viewer import protocol

PATIENCE_S = 5.0
MCAP = find_spec("mcap") is not None
WORDS = (
    b"NaN", b"Infinity", b"-1", b"0", b"1e999", b"99999999999999999999", b"null", b"true", b"[]",
    b"{}", b"[[[[[[[[", b"{\"a\":", b"&a [*a]", b"*a", b"!!python/object:os.system", b"!!int",
    b"!!timestamp x", b"0x" + b"f" * 5000, b"1:1:1:1:1", b"../", b"/etc/passwd", b"\x00", b"\xff",
    b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"~nobody/", b"{", b"}", b"\n", b":", b"CHANNELS 9",
    b"MOTION", b"JOINT a", b"Xrotation", b"Frames: 9999999999", b"'descr': 'O'", b"<U0", b"(1,)",
)  # fmt: skip


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Change bytes as a clumsy or hostile hand would: a few edits, sometimes a cut or garbage."""
    data = bytearray(content)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(8)
        size = rng.choice((1, 1, 2, 4, 16, 200))
        if kind == 0:
            data[at : at + size] = rng.randbytes(size)
        elif kind == 1:
            del data[at : at + size]
        elif kind == 2:
            data[at:at] = rng.choice(WORDS)
        elif kind == 3:
            word = rng.choice(WORDS)
            data[at : at + len(word)] = word
        elif kind == 4:
            piece = data[at : at + size]
            data[at:at] = piece * rng.choice((1, 2, 50))
        elif kind == 5 and data:
            data[min(at, len(data) - 1)] ^= 1 << rng.randrange(8)
        elif kind == 6:
            del data[at:]
        else:
            number = rng.choice((0, 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, rng.randrange(2**32)))
            data[at : at + 8] = struct.pack("<Q", number)
    return bytes(data)


@dataclass(frozen=True)
class Target:
    """A name, sound inputs to begin from, and what takes bytes."""

    name: str
    seeds: tuple[bytes, ...]
    feed: object


def feed(target: Target, data: bytes) -> None:
    """Take or refuse, in short words and in time."""
    start_s, said = time.process_time(), "taken"
    try:
        target.feed(data)
    except AsynFusionError as error:
        said = str(error)
    assert 0 < len(said) < 4000
    assert time.process_time() - start_s < PATIENCE_S


def make_targets(folder: Path) -> list[Target]:
    """All targets; their files lie in `folder`."""
    doors = Doors(folder)
    return [
        Target("wav", doors.sounds("WAV"), lambda data: doors.sound(data, "a.wav")),
        Target("flac", doors.sounds("FLAC"), lambda data: doors.sound(data, "a.flac")),
        Target("ogg", doors.sounds("OGG"), lambda data: doors.sound(data, "a.ogg")),
        Target("audio message", (rng_bytes(400),), audio_message),
        Target("packets", (rng_bytes(90), rng_bytes(300)), packets),
        Target("bvh", (doors.a_bvh(), SMALL_BVH), doors.bvh),
        Target("arkit json", (doors.an_arkit_json(),), doors.arkit_json),
        Target("npz clip", (doors.an_npz(),), doors.npz),
        Target("vrm animation", (doors.exported("vrma"),), lambda d: doors.imported(d, ".vrma")),
        Target("smplx", (doors.exported("smplx"),), lambda d: doors.imported(d, ".npz")),
        Target("servos", (b"jaw: {offset: 0.1, limits: [0, 1], jawOpen: 0.4}",), doors.servos),
        Target("settings yaml", SETTINGS_YAML, doors.settings),
        Target("settings text", (b"audio=mic\nviewer_port=3\nloop=no\nrate=1e1",), settings_text),
        Target("skeleton", (a_skeleton(),), doors.skeleton),
        Target("urdf", (TINY_URDF, doors.a_urdf()), urdf),
        Target("robot map", doors.robot_maps(), doors.robot_map),
        Target("model config", (doors.a_config(),), doors.config),
        Target("model weights", (doors.some_weights(),), doors.weights),
        Target("project manifest", (MANIFEST_ROW,), manifest_row),
        Target("project folder", (doors.an_npz(project=True),), doors.project),
        Target("beat labels", (b"a\t0.5\t1.0\t0.5\t0.3\tbig\n",), doors.spans),
        Target("grammar", (b"text:\n  - I {verb} it.\nverb: [like, make]\n",), doors.grammar),
        Target("voices", (b"hibari:\n  - {name: a, split: train}\n",), doors.voices),
        Target("style", (b"energy=1.5, smile=-1",), style),
        Target("names", (b"models/small", b"../x", b"~root/x"), names),
        Target("viewer frames", (rng_bytes(64),), viewer_frames),
        Target("terminal", (b"0.3412\n0.4\n8\nidle",), terminal),
        *([Target("recording", (doors.a_recording(),), doors.recording)] if MCAP else []),
    ]


def urdf(data: bytes) -> None:
    model = RobotModel.from_text(data.decode("utf-8", errors="replace"))
    assert all(np.isfinite(joint.place).all() for joint in model.joints)


def a_skeleton() -> bytes:
    return find_resource("config/upper_body.yaml").read_bytes()


def manifest_row(data: bytes) -> None:
    name = read_row(data.decode("utf-8", errors="replace"))["id"]
    assert "/" not in name
    assert not name.startswith(".")


def audio_message(data: bytes) -> None:
    """Encoding, channels and rate from the first bytes, samples from the rest."""
    head, body = data[:4].ljust(4, b"\0"), data[4:]
    encoding = [*ENCODINGS, "mp3", ""][head[0] % (len(ENCODINGS) + 2)]
    counts = Counter()
    with np.errstate(invalid="ignore"):  # floats from random bytes
        samples = convert_to_mono_float(body, encoding, head[1] % 10, counts)
    rate_hz = struct.unpack("<H", head[2:4])[0] * 4
    heard = StreamingResampler(rate_hz).process(np.clip(samples, -1, 1))
    assert np.isfinite(samples).all()
    assert heard.ndim == 1


def packets(data: bytes) -> None:
    """A sequence of packets with any stamp, rate and size, pushed while time goes on or back."""
    engine, clock, _ = make_engine(generator=StubGenerator(), max_queue_s=2.0)
    refusals = []
    for at in range(0, len(data) - 8, 9):
        stamp, kind, size, step = struct.unpack_from("<iHHb", data, at)
        near_s = clock.now_s() + stamp / 2**20
        stamp_s = (near_s, float(stamp), None, near_s, math.inf, -1e300, math.nan)[kind % 7]
        rate_hz = (16000, 48000, 8000, 16000, 0, 2**31)[kind // 7 % 6]
        samples = np.resize(np.float32([0.5, math.nan, 3.0, -math.inf, 0.0]), size % 2000)
        try:
            name = ("", "hello", "x" * (kind % 300), "\0\udcff")[kind // 42 % 4]
            engine.push_audio(stamp_s, samples, rate_hz, ("a", "b")[kind % 2], name)
            engine.push_listen(samples, rate_hz)
        except AudioError as error:
            refusals.append(error)
        if kind % 11 == 0:
            engine.flush()
        clock.advance(step / 100 if kind % 13 else float(stamp))
        engine.advance()
        frame = engine.frame_at(clock.now_s())
        assert np.isfinite(frame.joint_positions).all()
        assert np.isfinite(frame.face).all()
    engine.take_changes()
    counts = engine.status().counts
    where = ("samples_used", "samples_dropped", "samples_waiting")
    assert counts["samples_in"] == sum(counts[each] for each in where)
    if refusals:
        raise refusals[0]


def settings_text(data: bytes) -> None:
    lines = data.decode("utf-8", errors="replace").splitlines()
    settings_from_text(GraphArguments, dict(line.partition("=")[::2] for line in lines))


def style(data: bytes) -> None:
    text = data.decode("utf-8", errors="replace")
    read_style(text, STYLE_NAMES)
    parse_yaml(text, ConfigError, "--set")


def names(data: bytes) -> None:
    name = data.decode("utf-8", errors="replace")
    root = find_resource("models").parent.resolve()
    found = find_path(name)
    assert Path(name).expanduser().exists() or found.resolve().is_relative_to(root)


def terminal(data: bytes) -> None:
    """Diagnostics of any values, shown; a terminal must not obey them, nor a board grow by them."""
    words = data.decode("utf-8", errors="replace").split("\n")
    names = ("real_time_factor", "hop_s", "pose_stride", "window_ms_p99", "count_late_packets")
    values = dict(zip(names, words, strict=False))
    health = {word: Health(0.0, len(word) % 5, word, values) for word in words[:9]}
    health["asynfusion: avatar"] = Health(0.0, 0, words[0], values)
    text = to_text(render_screen(health, {}, 1.0), colour=False, size=(80, 50))
    assert all(c.isprintable() or c == "\n" for c in text)
    text, _ = render_board(health, 1.0)
    assert all(c.isprintable() or c == "\n" for c in text)
    assert len(text) < 4000


def viewer_frames(data: bytes) -> None:
    values = np.frombuffer(data[: len(data) // 4 * 4], "<f4")
    split = (data[0] if data else 0) % (len(values) + 1)
    frame = protocol.pack_motion(
        1.5, values[:split], np.resize(values[split:], 70000 * (split == 3))
    )
    assert len(frame) >= 16
    protocol.pack_status({"a": float(values[0]) if len(values) else 0.0, "b": str(data[:8])})
