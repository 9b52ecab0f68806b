"""A browser for tests, and somebody who talks to its page."""

import threading

import numpy as np

from asynfusion_ros.motion.blendshapes import ARKIT_NAMES
from asynfusion_ros.motion.skeleton import Skeleton

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-dev-shm-usage",
    "--autoplay-policy=no-user-gesture-required",
)
SIZE = {"width": 320, "height": 240}
PATIENCE_MS = 60_000
RATE_HZ = 16_000
JOINTS = Skeleton.load().robot_joint_names
SHOULDER = JOINTS.index("l_shoulder_roll")
JAW = ARKIT_NAMES.index("jawOpen")


class Talker:
    """Feeds a server with speech-like motion and sound, 30 frames a second, until it is stopped."""

    def __init__(self, server):
        self.server = server
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._talk, daemon=True)
        self._thread.start()

    def _talk(self):
        tick = 0
        while not self._done.wait(1 / 30):
            stamp_s = 100.0 + tick / 30
            push_motion(self.server, stamp_s, jaw=0.4 + 0.4 * np.sin(0.2 * tick))
            if tick % 3 == 0:
                tone = 3000 * np.sin(np.arange(1600) * 2 * np.pi * 200 / RATE_HZ)
                self.server.push_audio(stamp_s + 0.3, tone.astype(np.int16), RATE_HZ)
            self.server.push_status({"expression_steps": "4", "gesture_steps": "8"})
            tick += 1

    def stop(self):
        self._done.set()
        self._thread.join()


def push_motion(server, stamp_s, jaw=0.0, roll=-1.3):
    positions = np.zeros(len(JOINTS), np.float32)
    positions[SHOULDER] = roll
    weights = np.zeros(len(ARKIT_NAMES), np.float32)
    weights[JAW] = jaw
    server.push_motion(stamp_s, JOINTS, positions, ARKIT_NAMES, weights)
