"""Videos as they come: fast, large, cut off, silent, or none at all."""

import subprocess

import imageio_ffmpeg
import numpy as np
import pytest
from ingest_helpers import RATE_HZ, hum, write_video

from asynfusion_ros.data.ingest.video import open_video, read_pictures, read_video_sound
from asynfusion_ros.errors import DataError


def brightness(video, first=0):
    return np.array([picture.mean() for picture in read_pictures(video, first)])


def test_pictures_and_sound_come_as_they_were_written(tmp_path):
    sound = hum(3.0)
    video = open_video(write_video(tmp_path / "talk.mp4", sound=sound))
    assert (video.fps_hz, video.size) == (25.0, (64, 48))
    assert video.seconds == pytest.approx(3.0, abs=0.1)
    levels = brightness(video)
    assert len(levels) == 75
    np.testing.assert_allclose(np.diff(levels), 2.0, atol=1.5)
    np.testing.assert_allclose(brightness(video, 30), levels[30:], atol=0.1)
    samples = read_video_sound(video)
    assert len(samples) == pytest.approx(3 * RATE_HZ, abs=0.1 * RATE_HZ)
    middle = slice(RATE_HZ, 2 * RATE_HZ)
    assert np.corrcoef(samples[middle], sound[middle])[0, 1] > 0.95


def test_sixty_pictures_a_second_become_thirty(tmp_path):
    video = open_video(write_video(tmp_path / "fast.mp4", frames=60, fps_hz=60.0))
    assert (video.native_fps_hz, video.fps_hz) == (60.0, 30.0)
    assert len(brightness(video)) == 30


def test_what_is_no_video_is_refused_with_what_to_give(tmp_path):
    text = tmp_path / "talk.mp4"
    text.write_text("no video")
    with pytest.raises(DataError, match=r"not a video that can be decoded; give a video"):
        open_video(text)
    with pytest.raises(DataError, match="does not exist"):
        open_video(tmp_path / "absent.mp4")
    slow = write_video(tmp_path / "slow.mp4", frames=20, fps_hz=5.0)
    with pytest.raises(DataError, match="5 pictures a second; speech needs 12"):
        open_video(slow)


def test_a_file_cut_off_gives_what_it_has_or_is_refused(tmp_path):
    whole = write_video(tmp_path / "whole.mp4", frames=250, sound=hum(10.0))
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])  # its index was at the end
    with pytest.raises(DataError, match="not a video that can be decoded"):
        open_video(cut)
    fast = write_video(
        tmp_path / "fast.mp4", frames=250, sound=hum(10.0), options=["-movflags", "faststart"]
    )
    cut.write_bytes(fast.read_bytes()[: fast.stat().st_size * 2 // 3])
    video = open_video(cut)
    assert video.seconds == pytest.approx(10.0, abs=0.1)
    assert 10 < len(brightness(video)) < 250


def test_a_video_without_sound_is_refused(tmp_path):
    mute = open_video(write_video(tmp_path / "mute.mp4", frames=30))
    with pytest.raises(DataError, match="no sound track; speech drives the motion"):
        read_video_sound(mute)
    silent = write_video(tmp_path / "silent.mp4", frames=30, sound=np.zeros(RATE_HZ))
    with pytest.raises(DataError, match="silent; was the microphone off"):
        read_video_sound(open_video(silent))


def test_sound_that_begins_late_stays_late(tmp_path):
    plain = write_video(tmp_path / "plain.mp4", frames=75, sound=hum(3.0))
    late = tmp_path / "late.mkv"
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-v",
        "error",
        "-i",
        str(plain),
        "-itsoffset",
        "0.5",
    ]
    command += ["-i", str(plain), "-map", "0:v", "-map", "1:a", "-c", "copy", str(late)]
    subprocess.run(command, check=True)
    samples = read_video_sound(open_video(late))
    assert np.abs(samples[: int(0.45 * RATE_HZ)]).max() < 0.01
    assert np.abs(samples[int(0.6 * RATE_HZ) :]).max() > 0.1
