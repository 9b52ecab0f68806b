"""Recordings: whole, in pieces of a size, on a full disk; and their sound sent again."""

import functools
import random
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")
pytest.importorskip("asynfusion_ros.msg", reason="the messages are not built")
pytest.importorskip("mcap", reason="mcap is not installed")
pytestmark = pytest.mark.ros

from asynfusion_ros.msg import AudioChunk, ConversationState, FaceBlendshapes  # noqa: E402
from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from fuzz_targets import mutate  # noqa: E402
from rclpy.serialization import deserialize_message, serialize_message  # noqa: E402
from ros_helpers import DOMAIN, Talker, collect, ros_graph, stub_engine, wait_for  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from streaming_stubs import Player, make_engine, speech_like  # noqa: E402

from asynfusion_ros import mcap_file  # noqa: E402
from asynfusion_ros.errors import DataError, StateError  # noqa: E402
from asynfusion_ros.mcap_file import Entry, read_mcap  # noqa: E402
from asynfusion_ros.motion.clip import MotionClip  # noqa: E402
from asynfusion_ros.motion.mcap import read_motion_mcap, write_motion_mcap  # noqa: E402
from asynfusion_ros.motion.skeleton import Skeleton  # noqa: E402
from asynfusion_ros.nodes import interface, mcap_log  # noqa: E402
from asynfusion_ros.nodes.avatar_node import AvatarNode  # noqa: E402
from asynfusion_ros.nodes.conversions import make_chunk, to_seconds  # noqa: E402
from asynfusion_ros.nodes.mcap_log import RETRY_S, McapLog, definition_of, name_of  # noqa: E402
from asynfusion_ros.nodes.recorder_node import RecorderNode  # noqa: E402
from asynfusion_ros.nodes.replay_node import ReplayNode  # noqa: E402

SPEECH = speech_like(4.0)
TEXT = definition_of(AudioChunk)
SKELETON = Skeleton.load()


@functools.cache  # what pads a message is never the same twice
def sound(number):
    stamp_s = 100.0 + 0.04 * number
    chunk = make_chunk(SPEECH[640 * number : 640 * (number + 1)], 16000, stamp_s, "me")
    time_ns = int(1e9 * (stamp_s + 0.04))
    return Entry("/audio", name_of(AudioChunk), time_ns, serialize_message(chunk), TEXT)


def record(path, entries, max_mb=100.0, most_files=5):
    log = McapLog(path, max_mb, most_files)
    for entry in entries:
        log.write(entry, 0.0)
    log.close()
    return log


def test_what_was_written_is_read_again(tmp_path):
    entries = [sound(k) for k in range(50)]
    log = record(tmp_path / "a.mcap", entries)
    assert list(read_mcap(tmp_path / "a.mcap")) == entries
    assert (log.counts["written"], log.counts["lost"]) == (50, 0)


def test_other_programs_find_what_they_need(tmp_path):
    from mcap.reader import make_reader

    record(tmp_path / "a.mcap", [sound(k) for k in range(5)])
    with (tmp_path / "a.mcap").open("rb") as file:
        reader = make_reader(file)
        found = list(reader.iter_messages())
        assert reader.get_header().profile == "ros2"
    schema, channel, _ = found[0]
    assert (schema.encoding, channel.message_encoding) == ("ros2msg", "cdr")
    assert schema.name == "asynfusion_ros/msg/AudioChunk"
    assert "uint8[] data" in schema.data.decode()
    assert "MSG: std_msgs/Header\nbuiltin_interfaces/Time stamp\nstring frame_id\n" in (
        schema.data.decode()
    )


@pytest.mark.parametrize("kind", [JointState, DiagnosticArray, ConversationState])
def test_definitions_name_every_field_and_every_message_in_it(kind):
    text = definition_of(kind)
    for name in kind.get_fields_and_field_types():
        assert f" {name}\n" in text
    inner = [line.split(" ")[0] for line in text.splitlines() if "/" in line and " " in line]
    named = [word.removesuffix("[]") for word in inner if not word.startswith("MSG")]
    assert all(f"MSG: {word}\n" in text for word in named)
    assert "sequence<" not in text
    assert "double" not in text


def test_files_end_at_a_size_and_the_oldest_go(tmp_path):
    noise = np.random.default_rng(0).uniform(-1, 1, (200, 8000))  # does not compress
    chunks = [make_chunk(row, 16000, 1.0, "me") for row in noise]
    kind = name_of(AudioChunk)
    entries = [Entry("/audio", kind, k, serialize_message(c), TEXT) for k, c in enumerate(chunks)]
    log = record(tmp_path / "a.mcap", entries, max_mb=0.5, most_files=2)
    assert log.counts["files"] >= 4
    left = sorted(path.name for path in tmp_path.glob("*.mcap"))
    assert left == sorted(path.name for path in log.paths)
    assert len(left) == 2
    assert all(path.stat().st_size < 1.0e6 for path in tmp_path.glob("*.mcap"))
    assert list(read_mcap(log.paths[-1]))[-1].time_ns == 199


def test_a_full_disk_is_counted_and_room_is_used_again(tmp_path):
    full = tmp_path / "a.mcap"
    full.symlink_to("/dev/full")
    log = McapLog(full, 100.0, 5)
    for k in range(100):
        log.write(sound(k % 90), 0.01 * k)
    assert log.counts["lost"] == 100
    assert "No space" in log.failure
    assert log.counts["failures"] < 3, "it does not hammer a full disk"
    log.write(sound(1), RETRY_S + 1.0)  # another name, another disk
    log.close()
    assert [e.time_ns for e in read_mcap(log.paths[-1])] == [sound(1).time_ns]


def test_a_disk_that_fills_up_leaves_what_came_before(tmp_path, monkeypatch):
    log = McapLog(tmp_path / "a.mcap", 100.0, 5)
    monkeypatch.setattr(mcap_log, "CHUNK_BYTES", 5000)
    write, room = mcap_log._Whole.write, [40_000]

    def until_full(self, data):
        room[0] -= len(data)
        if room[0] < 0:
            raise OSError(28, "No space left on device")
        return write(self, data)

    monkeypatch.setattr(mcap_log._Whole, "write", until_full)
    for k in range(90):
        log.write(sound(k), 0.0)
    log.close()
    kept = list(read_mcap(log.paths[0]))
    assert kept == [sound(k) for k in range(len(kept))]
    assert len(kept) > 10
    assert log.counts["lost"] > 10


def test_a_recording_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path, monkeypatch):
    monkeypatch.setattr(mcap_log, "CHUNK_BYTES", 5000)
    path = tmp_path / "a.mcap"
    record(path, [sound(k) for k in range(80)])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = list(read_mcap(path))
    assert 10 < len(found) < 80
    assert found == [sound(k) for k in range(len(found))]


def test_recordings_of_strangers_are_read_or_refused(tmp_path):
    path, rng = tmp_path / "a.mcap", random.Random(0)
    record(path, [sound(k) for k in range(9)])
    whole = path.read_bytes()
    refusals = []
    for _ in range(300):
        path.write_bytes(mutate(whole, rng))
        try:
            assert all(len(entry.data) < 1e8 for entry in read_mcap(path))
        except DataError as error:
            refusals.append(str(error))
    assert len(refusals) > 10
    assert all(10 < len(text) < 1000 for text in refusals)


def test_a_chunk_that_unpacks_to_gigabytes_is_refused(tmp_path):
    import zstandard
    from mcap.records import Chunk

    bomb = zstandard.compress(bytes(100_000_000))
    with pytest.raises(DataError, match="unpacks to 100000000"):
        mcap_file._check_chunk(Chunk("zstd", bomb, 0, 0, 0, 100))
    with pytest.raises(DataError, match="lz4"):
        mcap_file._check_chunk(Chunk("lz4", b"", 0, 0, 0, 100))


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(StateError, match="give the name of a file"):
        McapLog(tmp_path, 1.0, 1)
    with pytest.raises(DataError, match="is no file"):
        list(read_mcap(tmp_path / "none.mcap"))


def test_the_same_recording_gives_the_same_motion(tmp_path):
    record(tmp_path / "a.mcap", [sound(k) for k in range(90)])
    shown = []
    for jitter_s in (0.0, 0.1):
        engine, clock, _ = make_engine(deterministic=True)
        player, rng, at_s = Player(engine, clock), random.Random(1), 0.0
        for entry in read_mcap(tmp_path / "a.mcap"):
            chunk = deserialize_message(entry.data, AudioChunk)
            samples = np.frombuffer(bytes(chunk.data), "<i2") / np.float32(32768)
            stamp_s = to_seconds(chunk.header.stamp) + 900.0
            at_s = max(at_s, stamp_s + 0.04 + rng.uniform(0, jitter_s))
            player.send(at_s, stamp_s, samples)
        player.run(8.0)
        times_s, faces = player.motion()
        shown.append(faces[(times_s > 1000.5) & (times_s < 1003.4)])
    assert shown[0].max() > 0.1
    np.testing.assert_allclose(*shown, atol=1e-6)


def test_a_graph_is_recorded_and_its_sound_is_sent_again(tmp_path):
    path = tmp_path / "a.mcap"
    with ros_graph(DOMAIN + 4) as graph:
        avatar = graph.add(AvatarNode, make_engine=stub_engine)
        recorder = graph.add(RecorderNode, parameters={"file": str(path)})
        wait_for(lambda: avatar.state == "active")
        with Talker(graph.node(), SPEECH):
            wait_for(lambda: recorder.log.counts["written"] > 300)
            time.sleep(1.2)
        graph.remove(recorder)
        graph.remove(avatar)
        entries = list(read_mcap(path))
        topics = {entry.topic for entry in entries}
        wanted = {"/audio", "/joint_states", "/face/blendshapes", "/diagnostics"}
        assert wanted <= topics
        assert [e.time_ns for e in entries] == sorted(e.time_ns for e in entries)
        sent = [deserialize_message(e.data, AudioChunk) for e in entries if e.topic == "/audio"]
        heard = collect(graph.node("ears"), AudioChunk, interface.AUDIO, interface.AUDIO_QOS)
        begin_s = time.time()
        replay = graph.add(ReplayNode, parameters={"file": str(path), "rate": 20.0})
        wait_for(lambda: replay.exit_status == 0)
        wait_for(lambda: len(heard) > 0.9 * len(sent))  # best effort
    first = heard[0][1]
    assert bytes(first.data) == bytes(sent[0].data)
    shifts = {
        round(to_seconds(again.header.stamp) - to_seconds(once.header.stamp), 3)
        for (_, again), once in zip(heard, sent, strict=False)
        if again.data == once.data
    }
    assert len(shifts) == 1, "stamps move by one constant"
    assert to_seconds(first.header.stamp) == pytest.approx(begin_s, abs=5.0)


def test_a_recording_without_sound_is_refused(tmp_path):
    data = serialize_message(JointState())
    entry = Entry("/joint_states", name_of(JointState), 1, data, definition_of(JointState))
    record(tmp_path / "a.mcap", [entry])
    with ros_graph(DOMAIN + 4) as graph, pytest.raises(DataError, match="no sound"):
        graph.add(ReplayNode, parameters={"file": str(tmp_path / "a.mcap")})


def test_clips_are_written_as_ros_reads_them_and_read_as_ros_writes_them(tmp_path):
    pytest.importorskip("mcap_ros2", reason="mcap-ros2-support is not installed")
    clip = stub_clip()
    write_motion_mcap(tmp_path / "a.mcap", clip, SKELETON)
    entries = list(read_mcap(tmp_path / "a.mcap"))
    assert len(entries) == 2 * len(clip)
    messages = []
    for entry, kind in zip(entries, [JointState, FaceBlendshapes] * len(clip), strict=True):
        assert (entry.kind, entry.definition) == (name_of(kind), definition_of(kind))
        messages.append(deserialize_message(entry.data, kind))
    joints, face = messages[6], messages[7]
    assert list(joints.name) == list(SKELETON.robot_joint_names)
    assert joints.header.stamp == face.header.stamp
    assert to_seconds(face.header.stamp) == pytest.approx(1.0 + 3 / clip.fps_hz)
    np.testing.assert_allclose(face.weight[:51], clip.face[3], atol=1e-6)
    speed = (messages[8].position[0] - messages[4].position[0]) * clip.fps_hz / 2
    assert joints.velocity[0] == pytest.approx(speed, abs=1e-6)

    log = McapLog(tmp_path / "b.mcap", 100.0, 1)
    for entry, message in zip(entries, messages, strict=True):
        log.write(entry._replace(data=serialize_message(message)), 0.0)
    log.close()
    again, begin_s = read_motion_mcap(log.paths[0], SKELETON)
    assert begin_s == pytest.approx(1.0)
    np.testing.assert_allclose(again.face, clip.face, atol=1e-5)
    np.testing.assert_allclose(again.body, clip.body, atol=1e-4)


def stub_clip():
    time_s = np.arange(60)[:, None] / 30
    face = 0.5 + 0.4 * np.sin(time_s * np.arange(1, 52))
    body = SKELETON.rest_body + 0.05 * np.sin(time_s * np.arange(1, 25))
    return MotionClip(30.0, face.astype(np.float32), body.astype(np.float32))
