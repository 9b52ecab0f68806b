"""Recordings of topics become clips and sound, without ROS; what does not fit is refused."""

import numpy as np
import pytest

pytest.importorskip("mcap_ros2", reason="mcap-ros2-support is not installed")

import soundfile
from mcap_ros2.writer import Writer

from asynfusion_ros.audio.mcap import AUDIO_CHUNK, CONVERSATION_STATE, read_sound_mcap
from asynfusion_ros.cli import main
from asynfusion_ros.errors import AudioError, MotionFileError
from asynfusion_ros.motion.blendshapes import ARKIT_NAMES, FACE_NAMES
from asynfusion_ros.motion.mcap import (
    BLENDSHAPES,
    DEFINITIONS,
    JOINT_STATE,
    read_motion_mcap,
)
from asynfusion_ros.motion.npz import read_npz
from asynfusion_ros.motion.skeleton import Skeleton

SKELETON = Skeleton.load()
HEADER = DEFINITIONS[JOINT_STATE].partition("effort\n")[2]
CHUNK = (
    "std_msgs/Header header\nstring source\nuint32 sample_rate\nuint8 channels\nstring encoding\n"
    f"uint8[] data\nstring utterance\n{HEADER}"
)
STATE = "string event\nstring utterance\nfloat64 played_s\n"


def header(time_s):
    nanoseconds = round(time_s * 1e9)
    stamp = {"sec": nanoseconds // 10**9, "nanosec": nanoseconds % 10**9}
    return {"stamp": stamp, "frame_id": ""}


def face_at(time_s, names=ARKIT_NAMES, **weights):
    return {
        "header": header(time_s),
        "name": list(names),
        "weight": [weights.get(name, 0.0) for name in names],
    }


def joints_at(time_s, names=SKELETON.robot_joint_names, angle=0.1):
    nothing = {"velocity": [], "effort": []}
    return {"header": header(time_s), "name": list(names), "position": [angle] * len(names)} | (
        nothing
    )


def chunk_at(time_s, samples, utterance=""):
    data = np.rint(32767 * np.asarray(samples)).astype("<i2").tobytes()
    return {
        "header": header(time_s), "source": "me", "sample_rate": 16000, "channels": 1,
        "encoding": "S16LE", "data": data, "utterance": utterance,
    }  # fmt: skip


def write(path, messages, moments_ns=None):
    """Messages are (topic, kind, message)."""
    texts = {**DEFINITIONS, AUDIO_CHUNK: CHUNK, CONVERSATION_STATE: STATE}
    with path.open("wb") as file:
        writer = Writer(file)
        schemas = {kind: writer.register_msgdef(kind, text) for kind, text in texts.items()}
        moments_ns = range(len(messages)) if moments_ns is None else moments_ns
        for moment_ns, (topic, kind, message) in zip(moments_ns, messages, strict=True):
            writer.write_message(topic, schemas[kind], message, moment_ns)
        writer.finish()
    return path


def test_frames_have_the_rate_and_place_of_their_stamps(tmp_path):
    ramp = [
        ("/face/blendshapes", BLENDSHAPES, face_at(5.0 + k / 50, jawOpen=k / 100))
        for k in range(50)
        if k != 20  # one was lost
    ]
    joints = [("/joint_states", JOINT_STATE, joints_at(4.9 + k / 50)) for k in range(100)]
    clip, begin_s = read_motion_mcap(write(tmp_path / "a.mcap", [*ramp, *joints]), SKELETON)
    assert clip.fps_hz == pytest.approx(50.0)
    assert begin_s == pytest.approx(5.0)
    np.testing.assert_allclose(
        clip.face[:, FACE_NAMES.index("jawOpen")], np.arange(50) / 100, atol=1e-5
    )
    assert clip.face_mask is None
    assert clip.body_mask is None
    np.testing.assert_allclose(SKELETON.ball_angles(clip.body), 0.1, atol=1e-5)


def test_a_face_alone_leaves_the_body_unmeasured(tmp_path):
    faces = [
        ("/robot/face/blendshapes", BLENDSHAPES, face_at(k / 30, jawOpen=0.3)) for k in range(9)
    ]
    others = [
        ("/robot/joint_states", JOINT_STATE, joints_at(k / 30, names=("wheel",))) for k in range(99)
    ]
    clip, _ = read_motion_mcap(write(tmp_path / "a.mcap", [*faces, *others]), SKELETON)
    assert len(clip) == 9
    assert not clip.body_mask.any()
    assert not clip.body.any()


def test_stamps_that_go_back_and_values_that_are_none_are_passed_over(tmp_path):
    moments = [0.0, 0.1, 0.05, 0.2, 0.3, 0.3, 0.4]
    faces = [("/f", BLENDSHAPES, face_at(1 + s, jawOpen=s)) for s in moments]
    faces[3][2]["weight"][0] = float("nan")
    clip, _ = read_motion_mcap(write(tmp_path / "a.mcap", faces), SKELETON)
    jaw = clip.face[:, FACE_NAMES.index("jawOpen")]
    np.testing.assert_allclose(jaw, np.arange(5) / 10, atol=1e-5)
    assert np.isfinite(clip.face).all()


def test_what_holds_no_motion_is_refused_with_what_to_do(tmp_path):
    write(tmp_path / "a.mcap", [("/joint_states", JOINT_STATE, joints_at(1.0, names=("wheel",)))])
    with pytest.raises(MotionFileError, match=r"no motion.*asynfusion record"):
        read_motion_mcap(tmp_path / "a.mcap", SKELETON)
    with pytest.raises(MotionFileError, match="is no file"):
        read_motion_mcap(tmp_path / "none.mcap", SKELETON)
    early = [("/f", BLENDSHAPES, face_at(k / 30)) for k in range(9)]
    late = [("/j", JOINT_STATE, joints_at(100 + k / 30)) for k in range(9)]
    write(tmp_path / "b.mcap", [*early, *late])
    with pytest.raises(MotionFileError, match="face and body"):
        read_motion_mcap(tmp_path / "b.mcap", SKELETON)
    (tmp_path / "c.mcap").write_bytes(b"no recording" * 99)
    with pytest.raises(MotionFileError, match="damaged"):
        read_motion_mcap(tmp_path / "c.mcap", SKELETON)


def test_messages_of_another_shape_under_our_names_are_refused(tmp_path):
    with (tmp_path / "a.mcap").open("wb") as file:
        writer = Writer(file)
        for kind in (JOINT_STATE, AUDIO_CHUNK):
            schema = writer.register_msgdef(kind, "string text\n")
            writer.write_message(f"/{kind[-5:]}", schema, {"text": "hello"}, 0)
        writer.finish()
    with pytest.raises(MotionFileError, match="lacks what"):
        read_motion_mcap(tmp_path / "a.mcap", SKELETON)
    with pytest.raises(AudioError, match="is no sound"):
        read_sound_mcap(tmp_path / "a.mcap", 0.0, 1.0)


@pytest.mark.parametrize("angle", [float("nan"), float("inf"), 1e300])
def test_angles_that_no_joint_has_never_become_motion(tmp_path, angle):
    poses = [("/j", JOINT_STATE, joints_at(k / 30)) for k in range(9)]
    poses[4][2]["position"][3] = angle
    clip, _ = read_motion_mcap(write(tmp_path / "a.mcap", poses), SKELETON)
    assert len(clip) == 9
    np.testing.assert_allclose(SKELETON.ball_angles(clip.body), 0.1, atol=1e-5)


def test_what_others_recorded_beside_it_is_passed_over(tmp_path):
    with (tmp_path / "a.mcap").open("wb") as file:
        writer = Writer(file)
        raw = writer._writer
        schema = raw.register_schema("foreign.Message", "protobuf", b"\xff\xfe\x00")
        channel = raw.register_channel("/foreign", "protobuf", schema)
        raw.add_message(channel, 0, b"\x01\x02", 0)
        kind = writer.register_msgdef(BLENDSHAPES, DEFINITIONS[BLENDSHAPES])
        for k in range(9):
            writer.write_message("/f", kind, face_at(k / 30), k)
        writer.finish()
    clip, _ = read_motion_mcap(tmp_path / "a.mcap", SKELETON)
    assert len(clip) == 9


def test_one_stamp_a_year_away_does_not_fill_memory(tmp_path):
    faces = [("/f", BLENDSHAPES, face_at(k / 30)) for k in range(9)]
    faces.append(("/f", BLENDSHAPES, face_at(3e7)))
    with pytest.raises(MotionFileError, match="2 to 2000000 are read"):
        read_motion_mcap(write(tmp_path / "a.mcap", faces), SKELETON)


def test_sound_lies_where_its_stamps_say(tmp_path):
    tone = 0.5 * np.sin(np.arange(1600) / 5)
    pieces = [chunk_at(10.0, tone), chunk_at(0.0, tone), chunk_at(11.0, tone)]
    messages = [("/audio", AUDIO_CHUNK, piece) for piece in pieces]
    messages.append(("/listen/audio", AUDIO_CHUNK, chunk_at(10.5, tone)))
    path = write(tmp_path / "a.mcap", messages)
    samples = read_sound_mcap(path, 9.5, 1.55)
    expected = np.zeros(round(1.55 * 16000))
    for place_s in (0.5, 0.6):
        expected[round(place_s * 16000) :][:1600] = tone
    expected[24000:] = tone[:800]
    np.testing.assert_allclose(samples, expected, atol=1e-3)
    late = read_sound_mcap(path, 10.05, 0.1)  # begins within the first piece
    np.testing.assert_allclose(late, np.concatenate([tone[800:], tone[:800]]), atol=1e-3)
    assert read_sound_mcap(write(tmp_path / "b.mcap", []), 0.0, 1.0) is None


def test_sound_without_stamps_lies_where_the_avatar_took_it_to_be(tmp_path):
    tone = 0.5 * np.sin(np.arange(1600) / 5)
    pieces = [chunk_at(0.0, tone, "a") for _ in range(4)]
    moments_ns = [5_000_000_000, 5_001_000_000, 5_350_000_000, 7_000_000_000]
    path = write(tmp_path / "a.mcap", [("/audio", AUDIO_CHUNK, p) for p in pieces], moments_ns)
    samples = read_sound_mcap(path, 4.0, 4.0)
    expected = np.zeros(4 * 16000)
    for place_s in (1.0, 1.1, 1.2, 3.0):
        expected[round(place_s * 16000) :][:1600] = tone
    np.testing.assert_allclose(samples, expected, atol=1e-3)


def test_the_rest_of_what_was_interrupted_is_not_heard(tmp_path):
    tone = 0.5 * np.sin(np.arange(16000) / 5)
    state = {"event": "interrupted", "utterance": "a", "played_s": 1.25}
    nonsense = state | {"played_s": float("nan")}
    messages = [
        *(("/audio", AUDIO_CHUNK, chunk_at(10.0 + k, tone, "a")) for k in range(3)),
        ("/audio", AUDIO_CHUNK, chunk_at(12.5, tone[:1600], "b")),
        *(("/avatar/state", CONVERSATION_STATE, each) for each in (nonsense, state, nonsense)),
        ("/audio", AUDIO_CHUNK, chunk_at(13.0, tone, "a")),  # was still on its way
    ]
    samples = read_sound_mcap(write(tmp_path / "a.mcap", messages), 10.0, 4.0)
    expected = np.zeros(4 * 16000)
    expected[:16000], expected[16000:20000] = tone, tone[:4000]
    expected[40000:41600] = tone[:1600]
    np.testing.assert_allclose(samples, expected, atol=1e-3)


def test_sound_that_makes_no_sense_is_refused(tmp_path):
    chunk = chunk_at(1.0, np.zeros(160)) | {"encoding": "MP3"}
    path = write(tmp_path / "a.mcap", [("/audio", AUDIO_CHUNK, chunk)])
    with pytest.raises(AudioError, match="MP3"):
        read_sound_mcap(path, 0.0, 1.0)


def test_a_recording_is_imported_with_its_sound(tmp_path, capsys):
    tone = 0.5 * np.sin(np.arange(16000) / 5)
    faces = [("/f", BLENDSHAPES, face_at(20 + k / 60, jawOpen=0.4)) for k in range(61)]
    path = write(tmp_path / "a.mcap", [*faces, ("/audio", AUDIO_CHUNK, chunk_at(20.0, tone))])
    assert main(["import", str(path), "-o", str(tmp_path / "out" / "clip.npz")]) == 0
    said = capsys.readouterr().out
    assert "no file holds a body" in said
    assert "what it heard" in said
    assert read_npz(tmp_path / "out" / "clip.npz").fps_hz == pytest.approx(60.0)
    samples, rate_hz = soundfile.read(tmp_path / "out" / "clip.wav")
    assert rate_hz == 16000
    assert samples[:16000] == pytest.approx(tone, abs=1e-3)
