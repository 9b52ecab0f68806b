"""The page as its visitors open it: kiosk, developer's view, guests, robots, sound in time."""

import io
from pathlib import Path

import numpy as np
import pytest
from avatar_helpers import T_POSE, a_pose, make_avatar
from browser_helpers import FLAGS, JOINTS, PATIENCE_MS, SIZE, Talker

from asynfusion_ros.viewer.assets import Assets
from asynfusion_ros.viewer.avatar_map import AvatarMap
from asynfusion_ros.viewer.server import ViewerServer

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser(chromium_path):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def fresh(browser, tmp_path):
    """Open a page of a server that shows given assets, at an address with a query."""
    opened = []

    def open_page(query="", assets=None, **size):
        server = ViewerServer(port=0, assets=assets)
        server.start()
        page = browser.new_page(viewport=SIZE | size)
        page.set_default_timeout(PATIENCE_MS)
        opened.append((server, page))
        quality = "" if "quality=" in query else "&quality=low"
        page.goto(f"{server.address}/?{query}{quality}", wait_until="commit")
        return server, page

    yield open_page
    for server, page in opened:
        page.close()
        server.stop()


READY = "window.avatar?.ready && avatar.connection.greeted"


@pytest.fixture(scope="module")
def shared(browser):
    """Return one page for tests that leave it as it is."""
    server = ViewerServer(port=0)
    server.start()
    page = browser.new_page(viewport=SIZE)
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{server.address}/?quality=low", wait_until="commit")
    page.wait_for_function("window.avatar?.ready")
    yield page
    page.close()
    server.stop()


def test_a_kiosk_shows_the_person_its_words_and_nothing_else(fresh):
    server, page = fresh("background=transparent&look=noor", width=240, height=426)
    page.wait_for_function(READY)
    assert not page.is_visible("#panel")
    page.wait_for_selector("#sound", state="hidden")  # this browser lets sound begin by itself
    assert not page.is_visible("#subtitles")
    server.push_subtitle("Good morning, everybody.")
    page.wait_for_selector("#subtitles:not([hidden])")
    assert page.text_content("#subtitles") == "Good morning, everybody."
    server.push_subtitle("")
    page.wait_for_selector("#subtitles", state="hidden")
    drawn = page.evaluate("avatar.drawn")
    page.wait_for_function(f"avatar.drawn > {drawn + 1}")
    content = page.screenshot(omit_background=True)
    from PIL import Image

    alpha = np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))[..., 3]
    assert alpha[:5].max() == 0  # above the head
    assert alpha[len(alpha) // 2, 100:140].min() == 255


def test_where_the_processor_draws_the_picture_is_simple_from_the_start(fresh):
    _, page = fresh("quality=auto")
    page.wait_for_function(f"{READY} && avatar.drawn > 0")
    detailed, shadows, reflections = page.evaluate(
        "(s => [s.detailed, s.renderer.shadowMap.enabled, s.scene.environment])(avatar.stage)"
    )
    assert (detailed, shadows, reflections) == (False, False, None)


WATCH_A_CARD = """([ratio, pictures, screen]) => {
    const detail = new avatar.stage.detail.constructor(ratio);
    let time = 0;
    const levels = [];
    for (let second = 0; second < 60; second++) {
        for (const end = time + 1; time < end; ) {
            const { pixels, shadows } = detail.now;
            const drawn = pictures[`${pixels}${shadows ? " with shadows" : ""}`];
            time += Math.max(1 / screen, 1 / drawn);
            detail.watch(time);
        }
        levels.push(detail.now);
    }
    return levels;
}"""


@pytest.mark.parametrize(
    ("ratio", "pictures", "screen_hz", "pixels", "shadows"),
    [
        (2, {"2 with shadows": 55}, 60, 2, True),
        (2, {"2 with shadows": 31, "1.25 with shadows": 58}, 60, 1.25, True),
        (1, {"1 with shadows": 31, "1": 58}, 144, 1, False),
        (1, {"1 with shadows": 20, "1": 30}, 60, 1, False),
        (1, {"1 with shadows": 9, "1": 14, "0.6": 28}, 60, 0.6, False),
        (
            2,
            {"2 with shadows": 90, "1.25 with shadows": 90, "1 with shadows": 90, "1": 90},
            30,
            2,
            True,
        ),
    ],
    ids=["fast", "pixels", "shadows", "sharp", "unsharp", "slow screen"],
)
def test_the_picture_is_as_detailed_as_the_card_has_time_for(
    shared, ratio, pictures, screen_hz, pixels, shadows
):
    levels = shared.evaluate(WATCH_A_CARD, [ratio, pictures, screen_hz])
    assert levels[-1] == {"pixels": pixels, "shadows": shadows}
    assert levels[-20:] == [levels[-1]] * 20  # and stays so


def test_a_card_that_grows_slower_later_is_given_no_more_to_draw(shared):
    levels = shared.evaluate(
        """() => {
            const detail = new avatar.stage.detail.constructor(1);
            let time = 0;
            const levels = [];
            for (const hz of [25, 40, 40, 26, 26, 26]) {
                for (let k = 0; k < 80; k++) detail.watch((time += 1 / hz));
                levels.push(detail.level);
            }
            return levels;
        }"""
    )
    assert levels == [1] * 6


def test_a_page_that_nobody_looked_at_is_not_taken_for_slow(shared):
    assert (
        shared.evaluate(
            """() => {
            const detail = new avatar.stage.detail.constructor(2);
            let time = 0;
            for (let k = 0; k < 200; k++) {
                if (k % 40 === 20) {
                    time += 600;
                    detail.forget();
                }
                detail.watch((time += 1 / 60));
            }
            return detail.level;
        }"""
        )
        == 0
    )


def test_who_cannot_be_loaded_is_told_why(fresh, tmp_path):
    path = make_avatar(tmp_path / "gone.glb", T_POSE)
    assets = Assets(avatar=AvatarMap.of(path))
    path.unlink()
    _, page = fresh(assets=assets)
    page.wait_for_function("document.querySelector('#notice').textContent.includes('HTTP')")
    assert "check the address and the avatar's file" in page.text_content("#notice")


def test_the_face_is_with_its_sound(fresh):
    server, page = fresh("dev")
    page.wait_for_function(READY)
    talker = Talker(server)
    try:
        page.evaluate("avatar.sound.unlock()")
        page.wait_for_function("avatar.sound.played > 8")
        offsets = page.evaluate(
            """async () => {
                const found = [];
                while (found.length < 12) {
                    await new Promise((done) => setTimeout(done, 100));
                    const {sound, timeline} = avatar;
                    const offset = sound.offset(timeline, performance.now() / 1000);
                    if (offset !== null) found.push(offset);
                }
                return found;
            }"""
        )
    finally:
        talker.stop()
    assert np.median(np.abs(offsets)) < 0.040, offsets


def test_a_guest_s_hanging_arms_are_lifted_into_our_t(fresh, tmp_path):
    places = "['l_hand', 'r_hand', 'head'].map(name => avatar.figure.place(name).toArray())"
    for number, (rest, backwards) in enumerate(
        ((T_POSE, False), (a_pose(), False), (T_POSE, True))
    ):
        path = make_avatar(tmp_path / f"{number}.glb", rest, backwards=backwards)
        _, page = fresh(assets=Assets(avatar=AvatarMap.of(path)))
        page.wait_for_function(READY)
        page.evaluate("avatar.stage.renderer.setAnimationLoop(null)")
        found = []
        for pose in ({}, {"l_shoulder_roll": -1.5}, {"chest_yaw": 0.5}):
            zero = {name: 0.0 for name in JOINTS}
            page.evaluate("pose => avatar.figure.pose(pose, {jawOpen: 0.25})", zero | pose)
            page.evaluate("avatar.figure.scene.updateMatrixWorld(true)")
            found.append(page.evaluate(places))
        (rest_l, rest_r, _), (down_l, _, _), (turned_l, _, _) = np.array(found)
        assert rest_l == pytest.approx([0.7, 1.45, 0.0], abs=0.01)
        assert rest_r == pytest.approx([-0.7, 1.45, 0.0], abs=0.01)
        assert down_l == pytest.approx(
            [0.2 + 0.5 * np.cos(1.5), 1.45 - 0.5 * np.sin(1.5), 0], abs=0.01
        )
        assert turned_l[2] == pytest.approx(-0.7 * np.sin(0.5), abs=0.01)
        assert page.evaluate("avatar.figure.influence('jawOpen')") == 0.25


@pytest.mark.parametrize("form", ["meshopt", "draco"])
def test_a_guest_may_be_compressed(fresh, form):
    path = Path(__file__).parent / "fixtures" / f"avatar_{form}.glb"
    _, page = fresh(assets=Assets(avatar=AvatarMap.of(path)))
    page.wait_for_function(READY)
    points = page.evaluate("""() => {
        const found = [];
        avatar.figure.scene.traverse((node) => {
            const place = node.geometry?.attributes.position;
            for (let k = 0; k < place?.count; k += 1) found.push([0, 1, 2].map((c) =>
                place.getComponent(k, c)));
        });
        return found.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    }""")
    expected = [[0, 1.6, 0.1], [0, 1.65, 0.1], [0.05, 1.6, 0.1]]
    np.testing.assert_allclose(points, expected, atol=1e-4)
    assert (page.evaluate("avatar.figure.influence('jawOpen')") is None) == (form == "draco")


def test_a_robot_is_shown_with_the_meshes_of_installed_packages_alone(fresh, tmp_path):
    (tmp_path / "part.stl").write_bytes(b"\0" * 80 + (0).to_bytes(4, "little"))
    urdf = """<robot name="pan"><link name="base"/><link name="head"><visual><geometry>
        <box size="0.2 0.2 0.4"/></geometry></visual><visual><geometry><mesh filename="%s"/>
        </geometry></visual></link><joint name="pan" type="revolute"><parent link="base"/>
        <child link="head"/><axis xyz="0 0 1"/><origin xyz="0.5 0 1"/>
        <limit lower="-2" upper="2" effort="1" velocity="1"/></joint></robot>"""
    assets = Assets()
    assert assets.set_robot(urdf % "file:///etc/passwd") == ["file:///etc/passwd"]
    assert assets.set_robot(urdf % "../part.stl", tmp_path / "sub") == ["../part.stl"]
    assert assets.set_robot(urdf % "part.stl", tmp_path) == []
    (tmp_path / "skin.png").write_bytes(b"picture")
    (tmp_path / "secret.txt").write_bytes(b"secret")
    server, page = fresh("show=robot", assets=assets)
    page.wait_for_function(READY)
    answers = page.evaluate(
        """names => Promise.all(names.map(async (name) => (await fetch(name)).status))""",
        [f"robot/0/{name}" for name in ("mesh.stl", "skin.png", "secret.txt", "..%2f..%2fa.png")],
    )
    assert answers == [200, 200, 404, 404]
    server.push_robot(5.0, ["pan", "unknown"], [1.0, 0.0])
    page.wait_for_function("avatar.figure.model.joints.pan.angle === 1")
    assert page.evaluate("avatar.figure.place('head').toArray()") == pytest.approx([0, 1, 0.5])


def test_without_a_robot_the_page_says_what_to_do(fresh):
    _, page = fresh("show=robot")
    page.wait_for_function("document.querySelector('#notice').textContent.includes('robot:=')")
