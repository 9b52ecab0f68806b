"""What `asynfusion doctor` looks at: each check says what it found and what to do about it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from asynfusion_ros.errors import AsynFusionError, brief

GOOD, POOR, MISSING = "ok", "warning", "missing"
OLDEST, NEWEST = (3, 10), (3, 13)
TIMED_WINDOWS = 4
_ROS_PATIENCE_S = 60.0
_FIX_ROS = (
    "source a ROS 2 installation (source /opt/ros/jazzy/setup.bash), or run "
    "`bash scripts/setup.sh` and source its setup.bash"
)
_FIX_MESSAGES = (
    "run `colcon build` in your workspace and source install/setup.bash, or `bash scripts/setup.sh`"
)


@dataclass(frozen=True)
class Finding:
    """A check's outcome: `state` is ok, warning (it works, less well) or missing."""

    name: str
    state: str
    found: str
    advice: str = ""


@dataclass(frozen=True)
class Subject:
    """What is examined: a model, a device, the address of the web page."""

    checkpoint: str
    device: str
    host: str
    port: int


def examine(check: Callable[[Subject], Finding], subject: Subject) -> Finding:
    """Return a check's finding; a check that fails itself finds its subject missing."""
    name = check.__name__.removeprefix("check_").replace("_", " ")
    try:
        return check(subject)
    except AsynFusionError as error:
        return Finding(name, MISSING, brief(str(error)), "do what the message says")
    except Exception as error:  # the patient may have any illness
        return Finding(name, MISSING, brief(error), "reinstall the package; then report this")


def check_python(subject: Subject) -> Finding:
    """Python 3.10 to 3.13."""
    version = sys.version_info[:2]
    found = f"{sys.version.split()[0]} at {sys.executable}"
    if OLDEST <= version <= NEWEST:
        return Finding("python", GOOD, found)
    return Finding("python", POOR, found, "use Python 3.10 to 3.13; others are not tested")


def check_ros(subject: Subject) -> Finding:
    """Rclpy, our messages, and a message that goes from one node to another."""
    if find_spec("rclpy") is None:
        return Finding("ros", MISSING, "rclpy is not installed here", _FIX_ROS)
    if find_spec("asynfusion_ros.msg") is None:
        return Finding("ros", MISSING, "the messages are not built", _FIX_MESSAGES)
    command = [sys.executable, "-m", "asynfusion_ros.nodes.environment"]
    try:
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=_ROS_PATIENCE_S, check=True
        )
        about = json.loads(run.stdout.strip().rpartition("\n")[2])
    except subprocess.CalledProcessError as error:
        last = error.stderr.strip().rpartition("\n")[2]
        return Finding("ros", MISSING, f"nodes do not start: {brief(last)}", _FIX_MESSAGES)
    found = (
        f"{about['distribution'] or 'ROS 2'}, {about['middleware']}, domain {about['domain']}, "
        f"discovery {about['discovery']}"
    )
    if about["round_trip_ms"] is None:
        advice = (
            "no message went round: allow UDP multicast on this machine's network, or set "
            "ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST"
        )
        return Finding("ros", MISSING, found, advice)
    return Finding("ros", GOOD, f"{found}, a message took {about['round_trip_ms']:.1f} ms")


def check_microphone(subject: Subject) -> Finding:
    """An input device of PortAudio."""
    return _devices("microphone", "input", "recordings, text and topics work without")


def check_loudspeaker(subject: Subject) -> Finding:
    """An output device of PortAudio."""
    return _devices("loudspeaker", "output", "the web page plays the sound, too")


def _devices(what: str, way: str, without: str) -> Finding:
    try:
        import sounddevice  # noqa: PLC0415 (needs PortAudio)

        devices = [d["name"] for d in sounddevice.query_devices() if d[f"max_{way}_channels"] > 0]
    except (ImportError, OSError) as error:
        advice = f"run `apt install libportaudio2`; {without}"
        return Finding(what, POOR, f"PortAudio is not here: {brief(error)}", advice)
    if not devices:
        advice = f"plug one in, or let the container see it; {without}"
        return Finding(what, POOR, "none", advice)
    return Finding(what, GOOD, brief(", ".join(devices)))


def check_voice(subject: Subject) -> Finding:
    """A synthesiser that speaks text."""
    from asynfusion_ros.audio.tts import default_synthesiser  # noqa: PLC0415 (slow to import)

    try:
        return Finding("voice", GOOD, type(default_synthesiser()).__name__)
    except AsynFusionError as error:
        return Finding("voice", POOR, "none", brief(str(error)))


def check_gpu(subject: Subject) -> Finding:
    """CUDA, where it was asked for."""
    import torch  # noqa: PLC0415 (slow to import)

    if torch.cuda.is_available():
        return Finding("gpu", GOOD, torch.cuda.get_device_name())
    if subject.device == "cuda":
        advice = "install a PyTorch with CUDA and the driver, or take --device cpu"
        return Finding("gpu", MISSING, "torch sees no CUDA device", advice)
    return Finding("gpu", GOOD, f"none; {torch.get_num_threads()} CPU threads do the work")


def check_speech_models(subject: Subject) -> Finding:
    """Each speech model against its recorded hash."""
    from asynfusion_ros.audio.models import read_manifest, verify_model  # noqa: PLC0415

    names = sorted(read_manifest())
    for name in names:
        verify_model(name)
    return Finding("speech models", GOOD, f"{', '.join(names)}, hashes as recorded")


def check_model(subject: Subject) -> Finding:
    """The avatar's model: present, whole, of this version."""
    from asynfusion_ros.resources import find_path  # noqa: PLC0415
    from asynfusion_ros.sampling.checkpoint import Checkpoint  # noqa: PLC0415

    folder = find_path(subject.checkpoint)
    checkpoint = Checkpoint.load(folder)
    if checkpoint.lcm is None:
        return Finding("model", POOR, f"{folder}, without the few-step network", "distil it")
    network = checkpoint.description.network
    found = f"{folder}, {network.depth} blocks of width {network.width}, hashes as recorded"
    return Finding("model", GOOD, found)


def check_speed(subject: Subject) -> Finding:
    """The time of one window against the time that it covers."""
    from asynfusion_ros.resources import find_path  # noqa: PLC0415
    from asynfusion_ros.sampling.checkpoint import Checkpoint  # noqa: PLC0415
    from asynfusion_ros.streaming.generator import MotionGenerator  # noqa: PLC0415
    from asynfusion_ros.streaming.settings import EngineSettings  # noqa: PLC0415

    checkpoint = Checkpoint.load(find_path(subject.checkpoint), subject.device)
    method = "lcm" if checkpoint.lcm is not None else "ddim"
    generator = MotionGenerator.open(checkpoint, EngineSettings(method=method))
    try:
        samples = 0.1 * np.sin(np.arange(generator.plan.sample_count) / 20).astype(np.float32)
        state, times_s = generator.begin(), []
        for _ in range(1 + TIMED_WINDOWS):
            begin_s = time.perf_counter()
            _, state = generator.step(samples, state)
            times_s.append(time.perf_counter() - begin_s)
    finally:
        generator.close()
    window_s, hop_s = float(np.median(times_s[1:])), generator.plan.hop_s
    found = f"{1e3 * window_s:.0f} ms for a window of {1e3 * hop_s:.0f} ms of motion"
    if window_s < 0.8 * hop_s:
        return Finding("speed", GOOD, found)
    advice = "close what else runs, take fewer steps (expression_steps, gesture_steps), or a GPU"
    return Finding("speed", POOR, found, advice)


def check_page(subject: Subject) -> Finding:
    """The port of the web page."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((subject.host, subject.port))
        except OSError as error:
            found = f"{subject.host}:{subject.port} cannot be had: {error.strerror or error}"
            advice = "another viewer may run; end it, or take --viewer-port 0 for any free port"
            return Finding("page", POOR, found, advice)
    return Finding("page", GOOD, f"{subject.host}:{subject.port} is free")


ROS_CHECKS = (check_ros,)
CHECKS = (
    check_python,
    check_microphone,
    check_loudspeaker,
    check_voice,
    check_gpu,
    check_speech_models,
    check_model,
    check_speed,
    check_page,
)
