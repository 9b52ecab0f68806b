"""The page in a headless browser: the avatar moves as it is told, and comes back after a restart.

The synthetic talker opens the mouth and swings the left arm; the browser draws in software, so
the view is small and the tests wait for pictures drawn, never for time.
"""

import io
import itertools

import numpy as np
import pytest
from browser_helpers import FLAGS, PATIENCE_MS, SIZE, Talker, push_motion

from asynfusion_ros.motion.blendshapes import ARKIT_NAMES
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.viewer.server import ViewerServer

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server():
    server = ViewerServer(port=0)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def browser(chromium_path):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page(browser, server):
    page = browser.new_page(viewport=SIZE)
    page.set_default_timeout(PATIENCE_MS)
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("console", lambda line: line.type == "error" and page.errors.append(line.text))
    page.goto(f"{server.address}/?quality=low&dev&sound=off")
    page.wait_for_function("window.avatar?.ready && avatar.connection.greeted")
    page.add_style_tag(content="#panel { display: none }")
    yield page
    page.close()


def take_picture(page):
    """Return the page as (H, W, 3) once what it shows now has been drawn."""
    from PIL import Image

    drawn = page.evaluate("avatar.drawn")
    page.wait_for_function(f"avatar.drawn > {drawn + 1}")
    return np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"), np.int16)


def changed(before, after):
    """Return the columns and rows (y, x) of pixels that differ clearly."""
    return np.argwhere(np.abs(after - before).max(axis=2) > 24)


STAMPS_S = itertools.count(10.0)


def show(page, server, **pose):
    """Push a pose with a later stamp than ever before, and wait until it is on the screen."""
    stamp_s = next(STAMPS_S)
    for early_s in (0.2, 0.1, 0.0):
        push_motion(server, stamp_s - early_s, **pose)
    page.wait_for_function(f"avatar.time > {stamp_s}")
    return take_picture(page)


def test_mouth_and_arm_move_on_the_screen(page, server):
    page.evaluate("avatar.stage.look('body')")
    still = show(page, server)
    spoken = show(page, server, jaw=0.9)
    raised = show(page, server, roll=0.0)
    assert page.evaluate("avatar.figure.influence('jawOpen')") == 0
    mouth, arm = changed(still, spoken), changed(still, raised)
    assert len(mouth) > 10
    assert np.ptp(mouth, axis=0).max() < SIZE["height"] / 4  # the face, nothing else
    assert len(arm) > 200
    assert arm[:, 1].mean() > SIZE["width"] / 2  # its left arm is on our right
    assert page.errors == []


def test_morphs_follow_the_weights(page, server):
    show(page, server, jaw=0.625)
    assert page.evaluate("avatar.figure.influence('jawOpen')") == 0.625
    assert page.evaluate("avatar.figure.influence('mouthClose')") == 0
    missing = page.evaluate(
        "names => names.filter(name => avatar.figure.influence(name) === null)", list(ARKIT_NAMES)
    )
    assert missing == []


def test_body_bones_answer_to_the_skeleton_s_names(page):
    bones = set(page.evaluate("[...avatar.figure.bones.keys()]"))
    skeleton = Skeleton.load()
    assert {*skeleton.joint_names, *(finger.name for finger in skeleton.fingers)} <= bones


def test_what_is_shown_lies_between_two_frames_and_waits_for_late_ones(page):
    # 30 frames a second arrive 0.5 s after their stamps; then 0.2 s later than before.
    delays, mixed, held = page.evaluate(
        """() => {
            const timeline = new avatar.timeline.constructor();
            const push = (k, late) => timeline.push(
                {stamp: k / 30, jointNames: N, faceNames: N, positions: [k], weights: [-k]},
                k / 30 + late);
            const N = [];
            for (let k = 0; k < 60; k += 1) push(k, 0.5);
            const first = timeline.delay;
            const mixed = timeline.at(50.25 / 30).positions[0];
            const held = timeline.at(99).weights[0];
            for (let k = 60; k < 200; k += 1) push(k, 0.7);
            return [[first, timeline.delay], mixed, held];
        }"""
    )
    assert delays == pytest.approx([0.55, 0.75], abs=1e-6)
    assert mixed == pytest.approx(50.25)
    assert held == -59


def test_speech_that_comes_sooner_or_later_than_the_last_has_a_delay_of_its_own(page):
    # Idling 1 s after its stamps, then an answer 0.15 s after them, then idling again.
    delays, counts = page.evaluate(
        """() => {
            const timeline = new avatar.timeline.constructor();
            const N = [];
            const delays = [], counts = [];
            const push = (first, last, late) => {
                for (let k = first; k < last; k += 1) {
                    const stamp = k / 30 - late;
                    timeline.push(
                        {stamp, jointNames: N, faceNames: N, positions: [k], weights: [k]}, k / 30);
                }
                delays.push(timeline.delay);
                counts.push(timeline.frames.length);
            };
            push(0, 60, 1.0);
            push(60, 61, 0.15);
            push(61, 120, 0.15);
            push(120, 121, 1.0);
            return [delays, counts];
        }"""
    )
    assert delays == pytest.approx([1.05, 0.2, 0.2, 1.05], abs=1e-6)
    assert counts == [60, 1, 60, 1]  # nothing is drawn between two timelines


def test_what_is_interrupted_falls_silent_and_what_follows_is_heard(page, server):
    def push(sound, stamp_s):
        server.push_audio(stamp_s, np.full(16000, 1000, np.int16), 16000, sound)

    def known():
        return page.evaluate("[avatar.sound.playing.size, avatar.sound.chunks.length]")

    page.evaluate("avatar.sound.unlock()")
    stamp_s = next(STAMPS_S)
    push_motion(server, stamp_s)
    page.wait_for_function(f"avatar.time >= {stamp_s - 0.2}")
    for second in range(20):
        push(7, stamp_s + second)
    page.wait_for_function("avatar.sound.playing.size > 0 && avatar.sound.chunks.length > 10")
    server.push_hush(7)
    page.wait_for_function("avatar.sound.hushed.has(7)")
    assert known() == [0, 0]
    push(7, stamp_s + 3.0)  # was still on its way
    push(8, stamp_s + 4.0)
    page.wait_for_function("avatar.sound.chunks.concat(...avatar.sound.playing.values()).length")
    heard = page.evaluate(
        "avatar.sound.chunks.concat(...avatar.sound.playing.values()).map(chunk => chunk.sound)"
    )
    assert heard == [8]
    server.push_hush(8)
    assert page.errors == []


def test_hanging_arm_points_down_and_bent_elbow_brings_the_hand_forward(page):
    # In metres, x to its left, y up, z forward.
    place = "avatar.figure.scene.updateMatrixWorld(true), avatar.figure.place('l_hand').toArray()"
    page.evaluate("avatar.hold({l_shoulder_yaw: 0, l_shoulder_pitch: 0, l_shoulder_roll: -1.5})")
    hanging = page.evaluate(f"avatar.figure.pose(avatar.held.positions, {{}}), {place}")
    page.evaluate("avatar.hold({l_elbow_yaw: -1.5, l_elbow_pitch: 0, l_elbow_roll: 0})")
    bent = page.evaluate(f"avatar.figure.pose(avatar.held.positions, {{}}), {place}")
    page.evaluate("avatar.hold(null)")
    assert bent[2] > hanging[2] + 0.1
    assert hanging[1] < page.evaluate("avatar.figure.place('chest').y") + 0.2


def test_talking_is_drawn_heard_and_survives_a_restart_of_the_server(page, server):
    talker = Talker(server)
    try:
        page.evaluate("avatar.sound.unlock()")
        page.wait_for_function("avatar.sound.played > 3")
        values = [page.evaluate("avatar.figure.influence('jawOpen')")]
        page.wait_for_function(f"Math.abs(avatar.figure.influence('jawOpen') - {values[0]}) > 0.1")
        assert page.evaluate("avatar.status.gesture_steps") == "8"
        assert page.errors == []
    finally:
        talker.stop()
    port = int(server.address.rsplit(":", 1)[1])
    server.stop()
    page.wait_for_function("avatar.state !== 'connected'")
    second = ViewerServer(port=port)
    second.start()
    try:
        page.wait_for_function("avatar.state === 'connected'")
        push_motion(second, 5.0, jaw=0.5)
        page.wait_for_function("avatar.figure.influence('jawOpen') === 0.5")
    finally:
        second.stop()
