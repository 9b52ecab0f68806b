"""What every test shares: which tests can run here, the data folder, a ROS domain of one's own.

A test marked `ros`, `gpu` or `browser` is skipped, with the reason, where its means are missing;
`--require ros,browser` turns that skip into an error, so that a complete run cannot pass half-done.
"""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")

# Before anything imports torch, numpy or rclpy: one thread per test process, the source tree first,
# and a ROS domain that no other process of this machine uses.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
_domain = int(os.environ.get("ROS_DOMAIN_ID") or 1 + os.getpid() % 100)
_worker = os.environ.get("PYTEST_XDIST_WORKER", "gw")[2:]  # gw0, gw1: processes of one run
os.environ["ROS_DOMAIN_ID"] = str(1 + (_domain + int(_worker)) % 100 if _worker else _domain)
sys.path.insert(0, str(REPO))


def pytest_addoption(parser):
    parser.addoption(
        "--require",
        default="",
        metavar="NAMES",
        help="comma-separated markers (ros, gpu, browser) whose means must be present",
    )
    parser.addoption(
        "--data",
        default=os.environ.get("ASYNFUSION_DATA", ""),
        metavar="DIR",
        help="folder with the training data (default: the environment variable ASYNFUSION_DATA)",
    )


def find_chromium() -> str | None:
    return next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


def _lack_of_ros() -> str:
    if importlib.util.find_spec("rclpy") is None:
        return "rclpy is not installed"
    if importlib.util.find_spec("asynfusion_ros.msg") is None:
        return "the messages of asynfusion_ros are not built; source the workspace"
    return ""


def _lack_of_gpu() -> str:
    import torch

    return "" if torch.cuda.is_available() else "no CUDA device"


def _lack_of_browser() -> str:
    if find_chromium() is None:
        return "Chromium is not installed"
    if importlib.util.find_spec("playwright") is None:
        return "playwright is not installed"
    return ""


LACKS = {"ros": _lack_of_ros, "gpu": _lack_of_gpu, "browser": _lack_of_browser}


def pytest_collection_modifyitems(config, items):
    required = [name for name in config.getoption("--require").split(",") if name]
    if unknown := sorted(set(required) - set(LACKS)):
        raise pytest.UsageError(f"--require knows {sorted(LACKS)}, not {unknown}")
    for name, lack in LACKS.items():
        marked = [item for item in items if item.get_closest_marker(name)]
        if not marked and name not in required:
            continue
        if reason := lack():
            if name in required:
                raise pytest.UsageError(f"--require {name}: {reason}")
            for item in marked:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def repo() -> Path:
    """The root of the source tree."""
    return REPO


@pytest.fixture(scope="session")
def data_dir(request) -> Path:
    """The folder with the training data; skips where none is named or it does not exist."""
    given = request.config.getoption("--data")
    if not given:
        pytest.skip("no data folder: set ASYNFUSION_DATA or give --data DIR")
    folder = Path(given)
    if not folder.is_dir():
        pytest.skip(f"the data folder {folder} does not exist")
    return folder


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The path of a Chromium or Chrome; skips where there is none."""
    path = find_chromium()
    if path is None:
        pytest.skip("Chromium is not installed")
    return path


@pytest.fixture
def page(tmp_path):
    """A folder with a page for the viewer; what lies beside it is not for pages."""
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "index.html").write_text("<title>Avatar</title>")
    (tmp_path / "secret.txt").write_text("not for pages")
    return tmp_path / "page"


@pytest.fixture
def server(page):
    """A viewer's server that gives out that page."""
    from asynfusion_ros.viewer.server import ViewerServer

    server = ViewerServer(port=0, page=page)
    server.start()
    yield server
    server.stop()
