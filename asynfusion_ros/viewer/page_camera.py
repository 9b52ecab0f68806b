"""Pictures of the avatar as the web page draws it, pose by pose, without a clock or a screen."""

from __future__ import annotations

import base64
import io
import shutil
from collections.abc import Mapping
from importlib import import_module
from types import TracebackType
from typing import Any
from urllib.parse import urlencode

import numpy as np
import numpy.typing as npt
from PIL import Image

from asynfusion_ros.errors import ConfigError, brief
from asynfusion_ros.motion.blendshapes import ARKIT_NAMES, to_arkit52
from asynfusion_ros.motion.clip import MotionClip
from asynfusion_ros.motion.limits import to_joint_positions
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.viewer.assets import Assets
from asynfusion_ros.viewer.film import Picture
from asynfusion_ros.viewer.server import ViewerServer

VIEWS = ("bust", "face", "body")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE_S = 120.0  # a picture drawn without a graphics card takes its time

_FLAGS = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--hide-scrollbars",
)
_ADVICE = (
    "pictures of the page need playwright and Chromium: pip install 'asynfusion_ros[render]', then "
    "`apt install chromium` or `playwright install chromium`"
)


class PageCamera:
    """A browser of its own with the viewer's page, which draws exactly the poses it is given.

    Use it in a `with`; the same poses give the same pictures. Raises ConfigError where playwright
    or Chromium is missing, or the page does not come up.
    """

    def __init__(
        self,
        width: int,
        height: int,
        view: str = "bust",
        options: Mapping[str, str] | None = None,
        assets: Assets | None = None,
    ) -> None:
        """Take pictures of `width` x `height` pixels of one of VIEWS.

        `options` are words of the page's address (docs/viewer.md), `assets` whom it shows.
        """
        # Left to itself, the page would give up quality on a slow machine, and not twice alike.
        self._options = {"quality": "high", "subtitles": "off", "sound": "off", **(options or {})}
        self._size = {"width": width, "height": height}
        self._view = view
        self._joints = Skeleton.load().robot_joint_names
        self._server = ViewerServer(port=0, assets=assets)
        self._playwright: Any = None
        self._browser: Any = None
        self._page: Any = None

    def __enter__(self) -> PageCamera:
        """Start browser and page."""
        self._playwright = _start_playwright()
        try:
            self._open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End them."""
        self.close()

    def close(self) -> None:
        """End browser and server; may be called twice."""
        if self._browser is not None:
            self._browser.close()
        if self._playwright is not None:
            self._playwright.stop()
        self._browser = self._playwright = None
        self._server.stop()

    def take(self, positions: npt.ArrayLike, weights: npt.ArrayLike, time_s: float) -> Picture:
        """Return the picture (H, W, 3) of joint positions (54,) [rad] and ARKit weights (52,).

        `time_s` is the film's time, for whatever moves by itself.
        """
        pose = [np.asarray(values, np.float64).tolist() for values in (positions, weights)]
        address = self._page.evaluate("pose => avatar.film.take(...pose)", [*pose, time_s])
        content = base64.b64decode(address.partition(",")[2])
        return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))

    def _open(self) -> None:
        self._server.start()
        self._browser = _start_browser(self._playwright)
        self._page = self._browser.new_page(viewport=self._size, device_scale_factor=1)
        self._page.set_default_timeout(1000.0 * PATIENCE_S)
        errors: list[str] = []
        self._page.on("pageerror", lambda error: errors.append(str(error)))
        self._page.goto(f"{self._server.address}/?{urlencode(self._options)}")
        try:
            self._page.wait_for_function("window.avatar?.ready && avatar.connection.greeted")
        except Exception as error:  # playwright's own, which is imported late
            raise ConfigError(
                f"the page did not come up in {PATIENCE_S:g} s: {brief(errors or str(error))}; "
                "look at it in a browser: asynfusion up"
            ) from error
        given = [self._view, list(self._joints), list(ARKIT_NAMES)]
        self._page.evaluate("given => avatar.film.begin(...given)", given)


def film_poses(clip: MotionClip, skeleton: Skeleton) -> list[tuple[npt.NDArray[Any], ...]]:
    """Return (joint positions (54,) [rad], ARKit weights (52,)) of each frame of a clip.

    Positions are within the joints' limits, as they would be published.
    """
    positions = to_joint_positions(skeleton, clip.body, clip.fps_hz)
    return list(zip(positions, to_arkit52(clip.face), strict=True))


def _start_playwright() -> Any:
    try:
        return import_module("playwright.sync_api").sync_playwright().start()
    except ImportError as error:
        raise ConfigError(f"{_ADVICE} ({error})") from error


def _start_browser(playwright: Any) -> Any:
    """Return the system's Chromium, else playwright's own; raise ConfigError without either."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    try:
        return playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
    except Exception as error:  # playwright's own, which is imported late
        raise ConfigError(f"{_ADVICE} ({brief(str(error))})") from error
