"""Poses for a viewer server, and who visits it; the server is a fixture (`conftest.py`)."""

import asyncio
import time

import aiohttp
import numpy as np

from asynfusion_ros.motion.blendshapes import ARKIT_NAMES
from asynfusion_ros.motion.skeleton import Skeleton

JOINTS = Skeleton.load().robot_joint_names
POSITIONS = np.linspace(-1.0, 1.0, len(JOINTS))
WEIGHTS = np.linspace(0.0, 1.0, len(ARKIT_NAMES))
PATIENCE_S = 10.0


def push_pose(server, stamp_s=1.5):
    server.push_motion(stamp_s, JOINTS, POSITIONS, ARKIT_NAMES, WEIGHTS)


def wait_until(condition):
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.005)


def visit(server, act, **options):
    """Run `await act(socket)` with a connected websocket; return what it returns."""

    async def connect():
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{server.address}/socket", **options) as websocket,
        ):
            return await asyncio.wait_for(act(websocket), PATIENCE_S)

    return asyncio.run(connect())


def get(server, path):
    async def fetch():
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{server.address}{path}") as response,
        ):
            return response.status, await response.text()

    return asyncio.run(fetch())
