"""The film of the project's own avatar in test/fixtures, moved as a closed formula says.

`truth()` gives its motion, `ingest_helpers` its sound. Run as a program it draws the film anew in a
headless browser, about a second a picture:

    python test/ingest_film.py test/fixtures/avatar_talks.mp4
"""

import base64
import io
import shutil
import sys
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import soundfile
from ingest_helpers import RATE_HZ, hum, syllables
from PIL import Image

from asynfusion_ros.motion.blendshapes import ARKIT_NAMES, FACE_NAMES, face_index
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.rotations import compose
from asynfusion_ros.motion.skeleton import Skeleton

FPS_HZ, SECONDS, SIZE = 25.0, 8.0, (960, 540)
BLINKS_S = (0.9, 2.6, 3.9, 5.5, 7.1)


def truth():
    """The motion: syllables, blinks, a smile, glances, nods, both arms gesturing."""
    time_s = np.arange(round(SECONDS * FPS_HZ)) / FPS_HZ
    face = np.zeros((len(time_s), len(FACE_NAMES)), np.float32)
    blink = sum(np.exp(-0.5 * ((time_s - at) / 0.07) ** 2) for at in BLINKS_S)
    glance = 0.7 * np.sin(2 * np.pi * time_s / 3.1) * (time_s > 3.1) * (time_s < 6.2)
    brows = 0.8 * np.exp(-0.5 * ((time_s - 1.8) / 0.3) ** 2)
    weights = {"jawOpen": syllables(time_s), "browInnerUp": brows}
    for side, sign in (("Left", 1.0), ("Right", -1.0)):
        weights[f"eyeBlink{side}"] = blink
        weights[f"mouthSmile{side}"] = 0.6 * np.exp(-0.5 * ((time_s - 4.7) / 0.5) ** 2)
        weights[f"browOuterUp{side}"] = brows
        weights[f"eyeLookOut{side}"] = sign * glance
        weights[f"eyeLookIn{side}"] = -sign * glance
    for name, values in weights.items():
        face[:, face_index(name)] = np.clip(values, 0.0, 1.0)
    return MotionClip(FPS_HZ, face, _body(time_s))


def _body(time_s):
    """Each joint one slow swing about axes that its anatomy allows."""
    names = Skeleton.load().joint_names
    body = np.zeros((len(time_s), len(names), 3))
    zero = np.zeros_like(time_s)

    def wave(period_s, size, phase=0.0):
        return size * np.sin(2 * np.pi * time_s / period_s + phase)

    body[:, names.index("chest")] = np.stack([zero, zero, wave(5.3, 0.12)], -1)
    body[:, names.index("head")] = np.stack([wave(4.1, 0.1), wave(2.3, 0.12), wave(3.7, 0.3)], -1)
    for side, sign in (("l", 1.0), ("r", -1.0)):
        lift = 0.35 + wave(3.3, 0.25, 0.0 if sign > 0 else 2.0)
        ahead = 0.25 + wave(2.7, 0.2, 1.0)
        bend = 1.3 + wave(2.2, 0.45, 0.5 if sign > 0 else 2.5)
        down = np.stack([-sign * (1.45 - lift), zero, zero], -1)
        upper = compose(np.stack([zero, -ahead, zero], -1), down)
        elbow = np.stack([zero, zero, -sign * bend], -1)
        twist = np.stack([zero, wave(4.3, 0.3), zero], -1)
        body[:, names.index(f"{side}_upper_arm")] = upper
        body[:, names.index(f"{side}_forearm")] = compose(elbow, twist)
        body[:, names.index(f"{side}_hand"), 0] = sign * (wave(1.9, 0.3) - 0.1)
    return body.reshape(len(time_s), -1).astype(np.float32)


def draw_frames(page, clip):
    """Yield the pictures (H, W, 3) of a clip, drawn by the viewer's page."""
    skeleton = Skeleton.load()
    page.add_style_tag(content="#panel { display: none }")
    page.evaluate("avatar.stage.look('body')")
    page.evaluate("avatar.stage.renderer.setAnimationLoop(null)")
    for angles, weights in zip(skeleton.ball_angles(clip.body), clip.face, strict=True):
        address = page.evaluate(
            """([positions, weights]) => {
                avatar.figure.pose(positions, weights);
                avatar.stage.draw();
                return avatar.stage.renderer.domElement.toDataURL("image/jpeg", 0.95);
            }""",
            [
                dict(zip(skeleton.robot_joint_names, map(float, angles), strict=False)),
                dict(zip(ARKIT_NAMES, map(float, weights), strict=False)),
            ],
        )
        picture = Image.open(io.BytesIO(base64.b64decode(address.split(",")[1])))
        yield np.array(picture.convert("RGB").resize(SIZE))


def main(path):
    from playwright.sync_api import sync_playwright
    from test_viewer_browser import FLAGS

    from asynfusion_ros.viewer.server import ViewerServer

    sound = path.with_suffix(".wav")
    soundfile.write(sound, hum(SECONDS, syllables), RATE_HZ)
    writer = imageio_ffmpeg.write_frames(
        str(path),
        SIZE,
        fps=FPS_HZ,
        macro_block_size=2,
        audio_path=str(sound),
        audio_codec="aac",
        quality=None,
        output_params=["-crf", "27", "-preset", "slow"],
    )
    writer.send(None)
    server = ViewerServer(port=0)
    server.start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(FLAGS)
        )
        page = browser.new_page(viewport=dict(zip(("width", "height"), SIZE, strict=True)))
        page.goto(server.address)
        page.wait_for_function("window.avatar?.ready && avatar.connection.greeted")
        for picture in draw_frames(page, truth()):
            writer.send(picture)
        browser.close()
    server.stop()
    writer.close()
    sound.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
