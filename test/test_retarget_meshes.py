"""The meshes of a URDF: found wherever packages leave them, and nothing else is opened."""

from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from asynfusion_ros.retarget.meshes import find_mesh, locate_meshes, mesh_is_there
from asynfusion_ros.viewer.assets import Assets


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A folder with an installed package, a package in a workspace, and a URDF with assets."""
    for place in (
        "prefix/share/inst/meshes/a b.stl",
        "ws/bot/meshes/arm.dae",
        "ws/bot/package.xml",
        "ws/bot/urdf/bot.urdf",
        "ws/other/package.xml",
        "ws/other/head.obj",
        "pip/assets/foot.stl",
        "secret.stl",
        "secret.txt",
    ):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(place)
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path / "prefix"))
    return tmp_path


FOUND = [
    ("package://inst/meshes/a b.stl", "pip", "prefix/share/inst/meshes/a b.stl"),
    ("model://inst/meshes/a b.stl", None, "prefix/share/inst/meshes/a b.stl"),
    ("package://assets/foot.stl", "pip", "pip/assets/foot.stl"),
    ("assets/foot.stl", "pip", "pip/assets/foot.stl"),
    ("package://bot/meshes/arm.dae", "ws/bot/urdf", "ws/bot/meshes/arm.dae"),
    ("package://other/head.obj", "ws/bot/urdf", "ws/other/head.obj"),
]


@pytest.mark.parametrize(("name", "folder", "place"), FOUND)
def test_a_mesh_is_found(machine, name, folder, place):
    found = find_mesh(name, folder and machine / folder)
    assert found == machine / place


@pytest.mark.parametrize(
    "name",
    [
        "package://nobody/a.stl",
        "package://assets/../../secret.stl",
        "package://../secret.stl",
        "package:///secret.stl",
        "../secret.stl",
        "{machine}/secret.stl",
        "file://{machine}/secret.stl",
        "file://{machine}/pip/%2e%2e/secret.stl",
        "https://example.org/a.stl",
        "secret.txt",
        "a\0.stl",
        "",
    ],
)
def test_nothing_else_is_opened(machine, name):
    assert find_mesh(name.format(machine=machine), machine / "pip") is None


def test_the_urdf_for_rviz_names_files_that_are_there(machine):
    text = """<robot><!-- <mesh filename="package://gone/old.stl"/> -->
        <mesh filename="package://inst/meshes/a b.stl" scale="1 1 1"/>
        <mesh scale='1 1 1' filename='package://assets/foot.stl'/>
        <mesh filename="package://gone/b.stl"/><mesh filename="package://gone/b.stl"/>
        <mesh filename="file://{}"/></robot>""".format(machine / "secret.stl")
    located, missing = locate_meshes(text, machine / "pip")
    names = [mesh.get("filename") for mesh in Xml.fromstring(located).iter("mesh")]
    assert names[0] == "file://" + str(machine / "prefix/share/inst/meshes/a%20b.stl")
    assert names[1] == "file://" + str(machine / "pip/assets/foot.stl")
    assert names[2:4] == ["package://gone/b.stl"] * 2
    assert names[4] == f"file://{machine / 'secret.stl'}"  # RViz may open what its user may
    assert missing == ["package://gone/b.stl"]
    assert "<!-- <mesh filename=" in located
    assert locate_meshes("<robot/>", machine) == ("<robot/>", [])


@pytest.mark.parametrize(("name", "folder", "place"), FOUND)
def test_the_page_shows_what_was_made_for_rviz(machine, name, folder, place):
    if folder is None or "other" in place:
        pytest.skip("the page opens the URDF's own package and installed ones")
    text = f'<robot name="x"><mesh filename="{name}"/></robot>'
    located, _ = locate_meshes(text, machine / folder)
    assert "file://" in located
    for urdf in (text, located):
        assert Assets().set_robot(urdf, machine / folder) == []


def test_a_check_accepts_full_paths(machine):
    assert mesh_is_there(str(machine / "secret.stl"), Path("/"))
    assert mesh_is_there(f"file://{machine}/secret.stl", Path("/"))
    assert not mesh_is_there(f"file://{machine}/gone.stl", Path("/"))
    assert not mesh_is_there("https://example.org/a.stl", machine)
