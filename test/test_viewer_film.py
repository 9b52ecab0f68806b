"""Films of the page: every frame shows its own pose, and the sound belongs to the picture."""

import subprocess

import imageio_ffmpeg
import numpy as np
import pytest
import soundfile

from asynfusion_ros.cli import main
from asynfusion_ros.cli.render import arrange, parse_size
from asynfusion_ros.errors import ConfigError
from asynfusion_ros.motion.blendshapes import ARKIT_NAMES, face_index
from asynfusion_ros.motion.bvh import write_bvh
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.npz import write_npz
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.viewer import page_camera
from asynfusion_ros.viewer.page_camera import PageCamera, film_poses

SKELETON = Skeleton.load()
RATE_HZ = 16000


def make_clip(frames, opened=(), fps_hz=10.0):
    """Somebody at rest whose mouth is wide open in some frames."""
    face = np.zeros((frames, 51), np.float32)
    face[list(opened), face_index("jawOpen")] = 1.0
    return MotionClip(fps_hz, face, np.tile(SKELETON.rest_body, (frames, 1)).astype(np.float32))


def read_film(path):
    """Frames (T, H, W, 3) and mono sound of a film."""
    reader = imageio_ffmpeg.read_frames(str(path))
    width, height = next(reader)["size"]
    frames = [np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in reader]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-f", "f32le"]
    command += ["-ac", "1", "-ar", str(RATE_HZ), "-"]
    sound = subprocess.run(command, capture_output=True, check=True).stdout
    return np.array(frames, np.int16), np.frombuffer(sound, np.float32)


@pytest.mark.browser
def test_the_mouth_opens_in_the_frame_in_which_the_sound_is_heard(chromium_path, tmp_path):
    write_npz(tmp_path / "ours.npz", make_clip(6, opened=(2, 3)))
    write_bvh(tmp_path / "theirs.bvh", make_clip(40, fps_hz=60.0), SKELETON)
    click = np.zeros(RATE_HZ // 2, np.float32)
    click[int(0.2 * RATE_HZ) : int(0.4 * RATE_HZ)] = 0.5 * np.sin(np.arange(3200) * 0.3)
    soundfile.write(tmp_path / "click.wav", click, RATE_HZ)
    clips = [str(tmp_path / name) for name in ("ours.npz", "theirs.bvh")]
    words = ["--grid", *clips, "--labels", "ours", "theirs", "--view", "face", "--size", "128x128"]
    words += ["--quality", "low"]
    words += ["--audio", str(tmp_path / "click.wav"), "-o", str(tmp_path / "film.mp4")]
    assert main(["render", *words]) == 0
    frames, sound = read_film(tmp_path / "film.mp4")
    assert frames.shape == (6, 128, 256, 3)
    ours, theirs = frames[:, 20:, :128], frames[:, 20:, 128:]  # labels lie above
    moved = np.abs(ours - ours[0]).max(axis=(1, 2, 3)) > 60
    assert np.flatnonzero(moved).tolist() == [2, 3]
    assert np.abs(ours[0] - theirs[0]).mean() < 4.0  # both at rest
    assert np.abs(theirs - theirs[0]).max() < 40
    heard_s = np.flatnonzero(np.abs(sound) > 0.2)[0] / RATE_HZ
    assert heard_s == pytest.approx(0.2, abs=0.02)
    assert len(sound) / RATE_HZ == pytest.approx(0.6, abs=0.07)  # silence follows the sound


@pytest.mark.browser
def test_the_same_pose_gives_the_same_picture_and_another_gives_another(chromium_path):
    (positions, weights), *_ = film_poses(make_clip(1), SKELETON)
    spoken = np.array(weights)
    spoken[ARKIT_NAMES.index("jawOpen")] = 1.0
    with PageCamera(160, 128, options={"quality": "low"}) as camera:
        first = camera.take(positions, weights, 0.0)
        other = camera.take(positions, spoken, 0.1)
        again = camera.take(positions, weights, 0.0)
    assert first.shape == (128, 160, 3)
    assert (first == again).all()
    assert np.abs(first.astype(int) - other).max() > 60


def test_panels_fill_rows():
    panels = [np.full((2, 3, 3), value, np.uint8) for value in (50, 100, 150)]
    grid = arrange(panels, 2)
    assert grid.shape == (4, 6, 3)
    assert [grid[0, 0, 0], grid[0, 5, 0], grid[3, 0, 0], grid[3, 5, 0]] == [50, 100, 150, 24]


def test_sizes_are_whole_blocks():
    assert parse_size("960x544") == (960, 544)
    with pytest.raises(ConfigError, match="near: 544"):
        parse_size("960x540")
    for text in ("960", "0x16", "axb", "16x999999", "8000x16"):
        with pytest.raises(ConfigError, match="--size"):
            parse_size(text)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "0 clips"),
        (["--grid", "{clip}", "{clip}", "--labels", "one"], "1 labels for 2 clips"),
        (["{clip}", "--fps", "0"], "--fps"),
        (["{clip}", "--seconds", "0"], "--seconds"),
        (["{clip}", "--audio", "absent.wav"], "absent.wav"),
        (["absent.npz"], "absent.npz"),
    ],
)
def test_what_cannot_be_filmed_is_said_before_a_browser_starts(words, said, tmp_path, capsys):
    write_npz(tmp_path / "clip.npz", make_clip(3))
    given = [word.format(clip=tmp_path / "clip.npz") for word in words]
    assert main(["render", *given, "-o", str(tmp_path / "film.mp4")]) == 2
    assert said in capsys.readouterr().err


def test_without_playwright_it_says_what_to_install(monkeypatch):
    def lacking(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(page_camera, "import_module", lacking)
    with (
        pytest.raises(ConfigError, match=r"asynfusion_ros\[render\].*chromium"),
        PageCamera(64, 64),
    ):
        pass
