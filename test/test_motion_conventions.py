"""docs/conventions.md says what the code does."""

import re

import numpy as np
import pytest

from asynfusion_ros.motion.blendshapes import FACE_NAMES
from asynfusion_ros.motion.skeleton import Skeleton

SKELETON = Skeleton.load()


@pytest.fixture(scope="module")
def page(repo):
    return (repo / "docs" / "conventions.md").read_text(encoding="utf-8")


def after(page, mark):
    return page.partition(f"<!-- {mark} -->\n\n")[2].partition("\n\n")[0]


def row(index, joint):
    place = ", ".join(f"{value:g}" for value in joint.offset_m)
    parent = f"`{joint.parent}`" if joint.parent else "world"
    ranges = " | ".join(f"{low:g} to {high:g}" for low, high in joint.limits_rad)
    return (
        f"| `{joint.name}` | {parent} | {place} | {3 * index} to {3 * index + 2} "
        f"| `{joint.robot}_{{yaw,pitch,roll}}` | {ranges} | {joint.velocity_rad_s:g} |"
    )


def test_the_table_of_joints(page):
    expected = [row(index, joint) for index, joint in enumerate(SKELETON.joints)]
    assert after(page, "joints").splitlines()[2:] == expected, "\n".join(expected)


def test_the_order_of_the_face(page):
    assert tuple(re.findall(r"`(\w+)`", after(page, "face"))) == FACE_NAMES


def test_the_axes_of_the_fingers(page):
    rows = re.findall(r"^\| (left|right) \| (\(.*?\)) \| (\(.*?\)) \|$", page, re.M)
    assert [side for side, _, _ in rows] == ["left", "right"]
    for side, *axes in rows:
        four, thumb = (np.array([float(v) for v in axis[1:-1].split(",")]) for axis in axes)
        for finger in SKELETON.fingers:
            if finger.name.startswith(side[0]):
                assert np.array_equal(finger.axis, thumb if "thumb" in finger.name else four)


def test_ranges_hold_what_the_recordings_show(data_dir):
    from asynfusion_ros.data.talk30 import read_talk30

    recordings, _ = read_talk30(data_dir / "talk30")
    clips = [r.clip for r in recordings if r.clip.body_mask.all()]  # hands were seen
    angles = [SKELETON.ball_angles(clip.body) for clip in clips]
    low, high = np.percentile(np.concatenate(angles), [0.1, 99.9], axis=0)
    assert (low >= SKELETON.lower_rad[:24]).all()
    assert (high <= SKELETON.upper_rad[:24]).all()
    speeds = [
        np.abs(np.diff(a, axis=0)) * clip.fps_hz for a, clip in zip(angles, clips, strict=True)
    ]
    assert (
        np.percentile(np.concatenate(speeds), 99.9, axis=0) <= SKELETON.velocity_rad_s[:24]
    ).all()
