"""How fast the web page is: loading, pictures, face beside sound, memory over a long stream.

With `pip install 'asynfusion_ros[render]'` and Chromium:

python benchmarks/page_speed.py [--gpu] [--minutes 30] [--size 960x544] [--query look=ben]

Opens the page in a browser of its own on loopback, talks to it in real time, and prints JSON.
Without `--gpu` the browser draws in software, which takes seconds a picture: then only what does
not draw tells of other machines. With it, it needs a screen, or a GPU that works headless.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import sync_playwright

from asynfusion_ros.motion.blendshapes import ARKIT_NAMES
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.viewer.page_camera import BROWSERS
from asynfusion_ros.viewer.server import ViewerServer

POSE_HZ, SOUND_HZ, RATE_HZ = 60.0, 10.0, 16_000
PATIENCE_MS = 300_000
LOOK_S = 10.0
SOFTWARE = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
FLAGS = (
    *("--no-sandbox", "--disable-dev-shm-usage", "--enable-precise-memory-info"),
    *("--autoplay-policy=no-user-gesture-required", "--js-flags=--expose-gc"),
)
# Notes when the page could first be drawn, and when a picture was first there.
WATCH = """
const watch = () => {
  const page = window.avatar;
  if (page?.ready) window.readyAt ??= performance.now();
  if (page?.drawn) {
    page.stage.renderer.getContext().finish();
    window.drawnAt = performance.now();
  } else requestAnimationFrame(watch);
};
requestAnimationFrame(watch);
"""
STATE = """() => {
  gc();
  const { drawn, cpu, sound, timeline, stage } = window.avatar;
  return {
    drawn, cpu, at: performance.now(), heap: performance.memory.usedJSHeapSize,
    offset: sound.offset(timeline, performance.now() / 1000),
    textures: stage.renderer.info.memory.textures,
    geometries: stage.renderer.info.memory.geometries,
  };
}"""
LOADED = """() => performance.getEntriesByType("resource").concat(
  performance.getEntriesByType("navigation")).map((e) => [e.name, e.encodedBodySize])"""


class Talker(threading.Thread):
    """Poses and sound in real time, from one moment until it is stopped."""

    def __init__(self, server: ViewerServer) -> None:
        """Begin now."""
        super().__init__(daemon=True)
        self.server, self.begin_s = server, time.monotonic()
        self.poses = self.sounds = 0
        self.joints = Skeleton.load().robot_joint_names
        self.phases = np.arange(len(self.joints) + len(ARKIT_NAMES))
        self.done = threading.Event()
        self.start()

    def run(self) -> None:
        """Send what is due."""
        while not self.done.wait(1.0 / POSE_HZ):
            now_s = time.monotonic()
            while self.sounds / SOUND_HZ <= now_s - self.begin_s:
                turn = np.arange(RATE_HZ / SOUND_HZ) / RATE_HZ + self.sounds / SOUND_HZ
                tone = (3000.0 * np.sin(2.0 * np.pi * 200.0 * turn)).astype(np.int16)
                self.server.push_audio(self.sounds / SOUND_HZ, tone, RATE_HZ)
                self.sounds += 1
            while self.poses / POSE_HZ <= now_s - self.begin_s:
                wave = np.sin(0.05 * self.poses + self.phases)
                joints, face = wave[: len(self.joints)], wave[len(self.joints) :]
                self.server.push_motion(
                    self.poses / POSE_HZ,
                    *(self.joints, 0.3 * joints, ARKIT_NAMES, 0.3 + 0.3 * face),
                )
                self.poses += 1


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--gpu", action="store_true", help="let the browser draw as it likes")
    parser.add_argument("--minutes", type=float, default=0.5, help="of the stream (default: 0.5)")
    parser.add_argument(
        "--size", type=to_size, default=(960, 544), help="of the page (default: 960x544)"
    )
    parser.add_argument("--query", default="", help="words of the page's address")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    arguments = parser.parse_args()
    server = ViewerServer(port=0)
    server.start()
    try:
        figures = measure(server, arguments)
    finally:
        server.stop()
    text = json.dumps(figures, indent=1)
    print(text)
    if arguments.json is not None:
        arguments.json.write_text(text + "\n", encoding="utf-8")
    return 0


def to_size(text: str) -> tuple[int, int]:
    """Return width and height of a page, any that a browser can have."""
    found = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r}; write WIDTHxHEIGHT such as 960x544")
    return int(found[1]), int(found[2])


def measure(server: ViewerServer, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of one page that was opened, talked to and left."""
    width, height = arguments.size
    flags = [*FLAGS, *(() if arguments.gpu else SOFTWARE)]
    with sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, BROWSERS)), None)
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(PATIENCE_MS)
        page.add_init_script(WATCH)
        page.goto(f"{server.address}/?{arguments.query}", wait_until="commit")
        talker = Talker(server)
        page.wait_for_function("window.drawnAt && avatar.connection.greeted")
        found = {
            "command": " ".join(["python benchmarks/page_speed.py", *sys.argv[1:]]),
            "drawn_by": page.evaluate(
                "(gl => gl.getParameter(gl.getExtension('WEBGL_debug_renderer_info')"
                ".UNMASKED_RENDERER_WEBGL))(avatar.stage.renderer.getContext())"
            ),
            "ready_s": page.evaluate("readyAt") / 1000.0,
            "first_picture_s": page.evaluate("drawnAt") / 1000.0,
            "page_mb": sum(size for _, size in page.evaluate(LOADED)) / 1e6,
        }
        states = watch(page, 60.0 * arguments.minutes)
        talker.done.set()
        browser.close()
    return found | summarise(states)


def watch(page: Any, seconds: float) -> list[dict[str, Any]]:
    """Return the page's state every few seconds of a stream."""
    states = [page.evaluate(STATE)]
    end_s = time.monotonic() + seconds
    while (left_s := end_s - time.monotonic()) > 0.0:
        time.sleep(min(LOOK_S, left_s))
        states.append(page.evaluate(STATE))
    return states


def summarise(states: list[dict[str, Any]]) -> dict[str, Any]:
    """Return rates and growth; memory grows as the line that fits best from the first tenth on."""
    seconds = (states[-1]["at"] - states[0]["at"]) / 1000.0
    settled = states[len(states) // 10 :]
    minutes = np.array([state["at"] for state in settled]) / 60_000.0
    heap_mb = np.array([state["heap"] for state in settled]) / 1e6
    offsets = [abs(state["offset"]) for state in states if state["offset"] is not None]
    return {
        "stream_min": seconds / 60.0,
        "pictures_hz": (states[-1]["drawn"] - states[0]["drawn"]) / seconds,
        "javascript_ms": 1000.0 * statistics.median(state["cpu"] for state in states),
        "face_before_sound_ms": 1000.0 * statistics.median(offsets) if offsets else None,
        "heap_mb": [float(heap_mb[0]), float(heap_mb[-1])],
        "heap_growth_kb_min": float(1000.0 * np.polyfit(minutes, heap_mb, 1)[0]),
        "textures": [states[0]["textures"], states[-1]["textures"]],
        "geometries": [states[0]["geometries"], states[-1]["geometries"]],
    }


if __name__ == "__main__":
    sys.exit(main())
