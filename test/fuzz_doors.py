"""Readers of files, each with sound content to begin from; see `fuzz_targets`."""

import hashlib
import io
import json
import math
import random
from pathlib import Path
from xml.etree import ElementTree as Xml

import numpy as np
import soundfile
from streaming_stubs import TINY

from asynfusion_ros.audio.resample import (
    load_audio,
)
from asynfusion_ros.audio.sources import WavSource
from asynfusion_ros.data.beat_release import _read_spans
from asynfusion_ros.data.project import scan_project
from asynfusion_ros.data.recording import Fault, load_npz
from asynfusion_ros.data.synthesis.text import Grammar
from asynfusion_ros.data.synthesis.voices import load_voices
from asynfusion_ros.errors import ConfigError
from asynfusion_ros.mcap_file import Entry, read_mcap
from asynfusion_ros.motion.arkit_json import read_arkit_json
from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.bvh import read_bvh, write_bvh
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.exchange import ENDINGS, export_clip, import_clip
from asynfusion_ros.motion.npz import read_npz, write_npz
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.motion.urdf import build_urdf
from asynfusion_ros.networks import NetworkSettings
from asynfusion_ros.nodes.mcap_log import McapLog
from asynfusion_ros.resources import find_resource
from asynfusion_ros.retarget.robot_map import RobotMap
from asynfusion_ros.retarget.servos import ServoMap
from asynfusion_ros.sampling.checkpoint import Checkpoint, untrained_checkpoint
from asynfusion_ros.streaming.settings import EngineSettings
from asynfusion_ros.training.settings import TrainSettings

SMALL_BVH = b"""HIERARCHY
ROOT a
{
OFFSET 0 1 0
CHANNELS 3 Zrotation Xrotation Yrotation
End Site
{
OFFSET 0 1 0
}
}
MOTION
Frames: 2
Frame Time: 0.0333
1 2 3
4 5 6
"""
SETTINGS_YAML = (
    b"hop_frames: 12\nshed_load: true\nseed: 3\nease_s: 0.5\n",
    b"width: 64\ndepth: 2\nheads: 4\ninteraction: gated\n",
    b"steps: 100\nbatch: 4\n",
)
MANIFEST_ROW = (
    b'{"id": "a", "source": "s", "licence": "own", "split": "train", "fps_hz": 30, "speaker": "x"}'
)


TINY_URDF = b"""<robot name="r"><link name="a"/><link name="b"/>
<joint name="j" type="revolute"><parent link="a"/><child link="b"/><axis xyz="0 0 1"/>
<limit lower="-1" upper="1" velocity="2" effort="3"/></joint></robot>"""


def rng_bytes(count: int) -> bytes:
    return random.Random(count).randbytes(count)


class Doors:
    """Readers of files."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.skeleton_now = Skeleton.load()
        rng = np.random.default_rng(0)
        face, body = rng.random((12, 51), np.float32), 0.1 * rng.random((12, 24), np.float32)
        self.clip = MotionClip(30.0, face, body)
        self.model = folder / "model"
        untrained_checkpoint(TINY).save(self.model)
        (self.model / "teacher.safetensors").unlink()
        self.description = json.loads((self.model / "config.json").read_text())
        del self.description["weights_sha256"]["teacher"]
        take = folder / "takes"
        take.mkdir()
        (take / "manifest.jsonl").write_bytes(MANIFEST_ROW)
        soundfile.write(take / "a.flac", np.zeros(6400), 16000)

    def put(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    # ---- sound ----------------------------------------------------------------------------------

    def sounds(self, form: str) -> tuple[bytes, ...]:
        wave = 0.5 * np.sin(np.arange(1200) / 9)
        kinds = {"WAV": ("PCM_16", "FLOAT", "PCM_24"), "FLAC": ("PCM_16",), "OGG": ("VORBIS",)}
        made = []
        for subtype in kinds[form]:
            file = io.BytesIO()
            soundfile.write(file, np.stack([wave, -wave], 1), 22050, subtype=subtype, format=form)
            made.append(file.getvalue())
        return tuple(made)

    def sound(self, data: bytes, name: str) -> None:
        path = self.put(name, data)
        samples = load_audio(path)
        assert np.isfinite(samples).all()
        assert np.abs(samples).max() <= 1.0
        source = WavSource(path, chunk_s=0.5)
        for chunk in source:
            assert np.isfinite(chunk.samples).all()
        source.close()

    # ---- motion ---------------------------------------------------------------------------------

    def a_bvh(self) -> bytes:
        path = self.folder / "seed.bvh"
        write_bvh(path, MotionClip(30.0, self.clip.face[:2], self.clip.body[:2]), self.skeleton_now)
        return path.read_bytes()

    def bvh(self, data: bytes) -> None:
        file = read_bvh(self.put("a.bvh", data))
        assert np.isfinite(file.frames).all()
        for name in file.names[:3]:
            assert np.isfinite(file.rotvec(name)).all()

    def an_arkit_json(self) -> bytes:
        frames = [{"weights": [0.5, 0.25], "time": t, "rotation": []} for t in (0.0, 0.1)]
        return json.dumps({"names": list(FACE_NAMES[:2]), "frames": frames}).encode()

    def arkit_json(self, data: bytes) -> None:
        times_s, face = read_arkit_json(self.put("a.json", data))
        assert face.shape == (len(times_s), 51)
        assert np.isfinite(face).all()

    def an_npz(self, project: bool = False) -> bytes:
        path = self.folder / "seed.npz"
        if project:
            np.savez(path, face=self.clip.face, body=self.clip.body)
        else:
            write_npz(path, self.clip)
        return path.read_bytes()

    def npz(self, data: bytes) -> None:
        path = self.put("a.npz", data)
        clip = read_npz(path)
        assert clip.face.shape[1] == 51
        assert math.isfinite(clip.duration_s)
        load_npz(path)

    def exported(self, form: str) -> bytes:
        path = self.folder / f"seed{ENDINGS[form]}"
        export_clip(self.clip, form, path)
        return path.read_bytes()

    def imported(self, data: bytes, ending: str) -> None:
        clip = import_clip(self.put(f"i{ending}", data))
        assert np.isfinite(clip.face).all()
        assert np.isfinite(clip.body).all()

    def servos(self, data: bytes) -> None:
        servos = ServoMap.load(self.put("f.yaml", data))
        assert servos.positions(np.zeros(51)).shape == (len(servos.names),)

    def skeleton(self, data: bytes) -> None:
        skeleton = Skeleton.load(self.put("a.yaml", data))
        Xml.fromstring(build_urdf(skeleton))
        places = skeleton.forward_kinematics(skeleton.rest_body)
        assert all(np.isfinite(place).all() for place in places.values())

    def a_urdf(self) -> bytes:
        return build_urdf(self.skeleton_now).encode()

    def robot_maps(self) -> tuple[bytes, ...]:
        folder = find_resource("config/robots")
        return tuple(path.read_bytes() for path in sorted(folder.glob("*.yaml")))

    def robot_map(self, data: bytes) -> None:
        RobotMap.load(self.put("r.yaml", data))

    # ---- settings -------------------------------------------------------------------------------

    def settings(self, data: bytes) -> None:
        path = self.put("s.yaml", data)
        refusals = []
        for kind in (EngineSettings, NetworkSettings, TrainSettings):
            try:
                kind.from_yaml(path)
            except ConfigError as error:
                refusals.append(error)
        if len(refusals) == 3:
            raise refusals[0]

    def grammar(self, data: bytes) -> None:
        grammar = Grammar.load(self.put("g.yaml", data))
        assert len(grammar.sentence(np.random.default_rng(0))) < 100_000

    def voices(self, data: bytes) -> None:
        load_voices(self.put("v.yaml", data))

    # ---- models and data ------------------------------------------------------------------------

    def a_config(self) -> bytes:
        return json.dumps(self.description).encode()

    def some_weights(self) -> bytes:
        self.lcm = (self.model / "lcm.safetensors").read_bytes()
        return self.lcm

    def config(self, data: bytes) -> None:
        (self.model / "lcm.safetensors").write_bytes(self.lcm)
        (self.model / "config.json").write_bytes(data)
        checkpoint = Checkpoint.load(self.model)
        assert np.isfinite(checkpoint.description.idle_face).all()

    def weights(self, data: bytes) -> None:
        (self.model / "lcm.safetensors").write_bytes(data)
        hashes = {"lcm": hashlib.sha256(data).hexdigest()}
        values = {**self.description, "weights_sha256": hashes}
        (self.model / "config.json").write_text(json.dumps(values))
        network = Checkpoint.load(self.model).network("lcm")
        assert all(parameter.isfinite().all() for parameter in network.parameters())

    def project(self, data: bytes) -> None:
        self.put("takes/a.npz", data)
        for found in scan_project(self.folder / "takes"):
            assert isinstance(found, Fault) or np.isfinite(found.clip.body).all()

    def a_recording(self) -> bytes:
        log = McapLog(self.folder / "seed.mcap", 1.0, 1)
        for number in range(20):
            data = rng_bytes(40 + number)
            log.write(Entry(f"/audio{number % 3}", "a/msg/B", number, data, "string text\n"), 0.0)
        log.close()
        return log.paths[0].read_bytes()

    def recording(self, data: bytes) -> None:
        for entry in read_mcap(self.put("a.mcap", data)):
            assert len(entry.data) < 10**8

    def spans(self, data: bytes) -> None:
        for begin_s, end_s, _ in _read_spans(self.put("a.txt", data), "\t"):
            assert math.isfinite(begin_s + end_s)
