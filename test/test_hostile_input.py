"""Nothing that strangers send may crash, hang or swell the avatar; what is refused says why."""

import contextlib
import json
import random
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fuzz_targets import PATIENCE_S, feed, make_targets, mutate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from streaming_stubs import TINY, make_engine

from asynfusion_ros.audio.resample import load_audio
from asynfusion_ros.data.project import read_row
from asynfusion_ros.data.talk30 import read_talk30
from asynfusion_ros.errors import (
    AudioError,
    CheckpointError,
    ConfigError,
    DataError,
    MessageError,
    MotionFileError,
    brief,
)
from asynfusion_ros.files import MOST_YAML_BYTES, parse_json, parse_yaml
from asynfusion_ros.graph import GraphArguments, describe_graph
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.networks import NetworkSettings
from asynfusion_ros.resources import find_path, find_resource
from asynfusion_ros.sampling.checkpoint import Checkpoint, untrained_checkpoint
from asynfusion_ros.viewer import protocol

TARGETS = make_targets(Path(tempfile.mkdtemp()))
QUICK = settings(
    max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_sound_input_is_taken(target):
    if target.name not in ("audio message", "packets", "names"):
        target.feed(target.seeds[0])


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_mutations_of_sound_input_are_taken_or_refused(target):
    rng = random.Random(f"{target.name} 1")
    end_s = time.perf_counter() + 0.3
    for _ in range(60):
        feed(target, mutate(rng.choice(target.seeds), rng))
        if time.perf_counter() > end_s:
            break


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@QUICK
@given(st.data())
def test_any_bytes_are_taken_or_refused(target, data):
    texts = st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass"))
    feed(target, data.draw(st.one_of(st.binary(max_size=120), texts)))


# ---- texts --------------------------------------------------------------------------------------

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (BOMB, "aliases"),
        ("a: &a [*a]", "aliases"),
        ("[" * 100_000, "not readable"),
        ("x: !!python/object/apply:os.system [id]", "not readable"),
        ("a: !!timestamp x", "not readable"),
        ("a: " + "9" * 10_000, "digits"),
        ("a: 0x" + "f" * 5000, "digits"),
        ("a: 1" + ":1" * 5000, "digits"),
        ("x" * (MOST_YAML_BYTES + 1), "characters"),
    ],
    ids=["bomb", "knot", "depth", "tag", "timestamp", "number", "hex", "clock", "size"],
)
def test_yaml_that_bites_is_refused(text, hint):
    with pytest.raises(ConfigError, match=hint):
        parse_yaml(text, ConfigError, "it")


@pytest.mark.parametrize(
    "text",
    ["[" * 200_000, "9" * 10_000, '{"a": ', "\ud800"],
    ids=["depth", "number", "cut", "half"],
)
def test_json_that_bites_is_refused(text):
    with pytest.raises(DataError, match="readable JSON"):
        parse_json(text, DataError, "it")


@pytest.mark.parametrize(
    "value", [10**5000, "x" * 10_000, [[0] * 1000]], ids=["number", "text", "list"]
)
def test_whatever_was_given_can_be_told_in_short(value):
    assert len(brief(value)) < 400
    with pytest.raises(ConfigError) as caught:
        NetworkSettings.from_dict({"width": value})
    assert len(str(caught.value)) < 1000


def test_keys_that_are_no_names_are_refused():
    with pytest.raises(ConfigError, match="no setting"):
        NetworkSettings.from_dict({1: 2, None: 3, "width": 64})


def test_samples_beyond_all_measure_stay_in_range(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.float32([3e38, -3e38] * 900), 44100, subtype="FLOAT")
    samples = load_audio(path)
    assert np.abs(samples).max() <= 1.0


@pytest.mark.parametrize("stamp_s", [float("inf"), -1e300, 1e12])
def test_a_stamp_that_is_no_time_is_refused(stamp_s):
    engine, _, _ = make_engine()
    with pytest.raises(AudioError, match="stamp"):
        engine.push_audio(stamp_s, np.zeros(100, np.float32), 16000)


@pytest.mark.parametrize("leap_s", [3600.0, 1e6, 2e9])
@pytest.mark.parametrize("rate_hz", [16000, 44100])
def test_a_clock_that_leaps_costs_no_time(leap_s, rate_hz):
    engine, clock, _ = make_engine()
    engine.push_audio(clock.now_s(), np.full(8000, 0.1, np.float32), rate_hz)
    engine.advance()
    clock.advance(leap_s)
    start_s = time.process_time()
    for _ in range(5):
        engine.advance()
    assert time.process_time() - start_s < PATIENCE_S
    now_s = clock.now_s()
    engine.push_audio(now_s, np.full(8000, 0.1, np.float32), rate_hz)
    engine.advance()
    assert np.isfinite(engine.frame_at(now_s).joint_positions).all()


# ---- models, names, messages --------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["../../no/such/model", "models/../../no-model", "/no/such/thing", "~nobody/x", "a\0b", ""],
)
def test_names_of_files_of_the_graph_are_paths_or_refused(name):
    for arguments in (GraphArguments(checkpoint=name), GraphArguments(params_file=name)):
        with contextlib.suppress(ConfigError):
            describe_graph(arguments)


@pytest.mark.parametrize(
    "name",
    ["../../no/such/model", "models/../../no-model", "/no/such/thing", "~nobody/x", "a\0b", ""],
)
def test_names_of_models_lead_nowhere_else(name):
    with pytest.raises(ConfigError):
        find_path(name)
    with pytest.raises(ConfigError):
        find_resource(name)


@pytest.mark.parametrize("name", ["../secret", "a/b", ".hidden", "/etc/passwd", ""])
def test_names_of_takes_lead_nowhere_else(tmp_path, name):
    row = '{"id": "%s", "source": "s", "licence": "l", "split": "train", "tier": "F"%s}\n'
    with pytest.raises(DataError):
        read_row(row % (name, ', "fps_hz": 30'))
    (tmp_path / "manifest.jsonl").write_text(row % (name, ""))
    (tmp_path / "face_names.json").write_text("[]")
    with pytest.raises(DataError, match="names"):
        read_talk30(tmp_path)


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"network": {**TINY.to_dict(), "width": 4096, "depth": 64}}, "fewer weights"),
        ({"network": {**TINY.to_dict(), "width": 10**9}}, "must lie in"),
        ({"schedule": {"beta_start": 1e-4, "beta_end": 0.02, "steps": 10**12}}, "steps"),
        ({"fps_hz": float("nan")}, "fps_hz"),
        ({"look_ahead_s": 1e9}, "look_ahead_s"),
        ({"idle_face": [float("nan")] * 51}, "finite"),
        ({"emotions": [["unknown"]]}, "texts"),
        ({"features": 7}, "incomplete"),
    ],
)
def test_a_model_that_asks_for_the_impossible_is_refused(tmp_path, change, hint):
    untrained_checkpoint(TINY).save(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError, match=hint):
        Checkpoint.load(tmp_path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 200_000


@pytest.mark.parametrize(
    ("before", "after", "hint"),
    [
        ("name: chest", 'name: "che\\0st"', "named by"),
        ("parent: null", "parent: head", "parents come first"),
        ("velocity: 5.0", "velocity: .nan", "velocity"),
        ("[0.01, 0.0, 0.36]", "[.inf, 0.0, 0.36]", "finite"),
        ("limits: [-0.3, 1.7]", "limits: [1.7, -0.3]", "fingers"),
    ],
)
def test_a_skeleton_that_cannot_be_is_refused(tmp_path, before, after, hint):
    text = find_resource("config/upper_body.yaml").read_text()
    assert before in text
    path = tmp_path / "s.yaml"
    path.write_text(text.replace(before, after, 1))
    with pytest.raises(MotionFileError, match=hint):
        Skeleton.load(path)


def test_a_page_is_not_sent_more_values_than_anybody_has():
    with pytest.raises(MessageError, match="at most"):
        protocol.pack_motion(0.0, np.zeros(70_000), np.zeros(52))
