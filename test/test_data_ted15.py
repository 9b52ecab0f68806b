"""Bone directions become rotations that point the same way."""

import numpy as np
import pytest
import soundfile
from layout_helpers import STANDING, angle_deg, our_directions, ted_directions, write_ted_take

from asynfusion_ros.data.recording import collect
from asynfusion_ros.data.ted15 import BONES, directions_body, scan_ted15


def test_arms_point_where_the_directions_say():
    rng = np.random.default_rng(0)
    drawn = {
        name: rng.standard_normal((30, 3))
        for name in ("l_upper_arm", "l_forearm", "r_upper_arm", "r_forearm")
    }
    body, mask = directions_body(ted_directions(**drawn))
    ours = our_directions(body)  # the chest stands upright, facing the camera
    for name, vectors in drawn.items():
        theirs = vectors * [1, -1, -1] / np.linalg.norm(vectors, axis=-1, keepdims=True)
        assert angle_deg(ours[name], theirs).max() < 0.1, name
    measured = mask.reshape(-1, 8, 3).all(axis=-1)
    assert measured[:, [0, 1, 2, 3, 5, 6]].all()
    assert not measured[:, [4, 7]].any()


def test_a_turn_of_the_chest_is_no_movement_of_the_arms():
    """The whole person turns to the left and back: arms keep their place on the chest."""
    angle = 0.5 * np.sin(np.linspace(0, 6, 30))
    cos, sin, zero, one = np.cos(angle), np.sin(angle), np.zeros(30), np.ones(30)
    # About the vertical; to the person's left is towards +x, and forward is -z.
    turn = np.stack([cos, zero, -sin, zero, one, zero, sin, zero, cos], axis=-1).reshape(-1, 3, 3)
    rows = np.einsum("tij,tbj->tbi", turn, ted_directions())
    body = directions_body(rows)[0].reshape(-1, 8, 3)
    np.testing.assert_allclose(body[:, 2:] - body[:1, 2:], 0.0, atol=1e-5)
    yaw = body[:, 0, 2]
    assert np.corrcoef(yaw, angle)[0, 1] > 0.999
    assert np.ptp(yaw) == pytest.approx(np.ptp(angle), abs=0.01)


def test_a_nod_of_the_head_is_a_pitch_downwards():
    angle = 0.3 * np.sin(np.linspace(0, 6, 30)) + 0.3
    cos, sin, zero, one = np.cos(angle), np.sin(angle), np.zeros(30), np.ones(30)
    # Forward (-z) goes towards +y (down) as the head bows.
    bow = np.stack([one, zero, zero, zero, cos, -sin, zero, sin, cos], axis=-1).reshape(-1, 3, 3)
    face = {
        name: np.array(STANDING[name]) @ np.eye(3)
        for name in STANDING
        if name[2:] in ("eye", "ear")
    }
    bowed = {name: np.einsum("tij,j->ti", bow, vector) for name, vector in face.items()}
    head = directions_body(ted_directions(**bowed))[0].reshape(-1, 8, 3)[:, 1]
    assert np.corrcoef(head[:, 1], angle)[0, 1] > 0.999  # our pitch is positive downwards
    assert np.abs(head[:, [0, 2]]).max() < 0.02


def test_takes_are_read_at_thirty_hertz(tmp_path):
    write_ted_take(tmp_path, "3djAkIpp7C0_131_0_16", ted_directions(60))
    (only,), faults = collect(scan_ted15(tmp_path))
    assert faults == []
    assert (only.speaker, only.split, len(only.clip)) == ("3djAkIpp7C0", "train", 120)
    assert not only.clip.face_mask.any()
    assert only.clip.body_mask[:, 6:12].all()


def test_frames_with_left_and_right_swapped_are_masked(tmp_path):
    rows = ted_directions(60)
    rows[30, [BONES["l_clavicle"], BONES["r_clavicle"]]] = rows[
        30, [BONES["r_clavicle"], BONES["l_clavicle"]]
    ]
    write_ted_take(tmp_path, "a", rows)
    (only,), _ = collect(scan_ted15(tmp_path))
    trusted = only.clip.body_mask[:, 6] > 0
    assert not trusted[57:65].any()
    assert trusted[:54].all()
    assert trusted[68:].all()


@pytest.mark.parametrize(
    ("rows", "seconds", "reason"),
    [
        (ted_directions(60) * 3, None, "unit"),
        (np.full((60, 42, 3), np.nan), None, "NaN"),
        (ted_directions(60), 1.0, "cut off"),
        (ted_directions(60)[:, :41], None, "shape"),
    ],
)
def test_a_broken_take_is_left_out_with_its_reason(tmp_path, rows, seconds, reason):
    write_ted_take(tmp_path, "good", ted_directions(60))
    write_ted_take(tmp_path, "bad", ted_directions(60))
    np.savez(tmp_path / "bad.npz", human_dir_vec_15fps=rows.reshape(len(rows), -1))
    if seconds:
        soundfile.write(tmp_path / "bad.flac", np.zeros(round(seconds * 16000)), 16000)
    recordings, (fault,) = collect(scan_ted15(tmp_path))
    assert [r.name for r in recordings] == ["good"]
    assert fault.file == "bad.npz"
    assert reason in fault.reason
