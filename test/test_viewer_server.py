"""The viewer's server: what goes over the wire, who may listen, and that nobody can hold it up."""

import asyncio
import json
import socket
import struct
import time
from collections import Counter

import aiohttp
import numpy as np
import pytest

from asynfusion_ros.errors import ConfigError
from asynfusion_ros.motion.blendshapes import ARKIT_NAMES
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.viewer import protocol
from asynfusion_ros.viewer.clients import MOST_MOTION_FRAMES, Client
from asynfusion_ros.viewer.server import (
    MOST_CLIENTS,
    MOST_MESSAGE_BYTES,
    MOST_MESSAGES,
    ViewerServer,
)

JOINTS = Skeleton.load().robot_joint_names
POSITIONS = np.linspace(-1.0, 1.0, len(JOINTS))
WEIGHTS = np.linspace(0.0, 1.0, len(ARKIT_NAMES))
PATIENCE_S = 10.0


@pytest.fixture
def page(tmp_path):
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "index.html").write_text("<title>Avatar</title>")
    (tmp_path / "secret.txt").write_text("not for pages")
    return tmp_path / "page"


@pytest.fixture
def server(page):
    server = ViewerServer(port=0, page=page)
    server.start()
    yield server
    server.stop()


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


# ---- the wire -----------------------------------------------------------------------------------


def test_a_page_hears_the_names_then_motion_in_the_documented_bytes(server):
    async def act(websocket):
        first = json.loads(await websocket.receive_str())
        push_pose(server)
        return first, json.loads(await websocket.receive_str()), await websocket.receive_bytes()

    first, hello, frame = visit(server, act)
    assert (first["type"], first["version"], first["joints"]) == ("hello", protocol.VERSION, [])
    assert (hello["joints"], hello["face"]) == (list(JOINTS), list(ARKIT_NAMES))
    kind, joints, weights, stamp_s = struct.unpack_from("<B3xHHd", frame)
    assert (kind, joints, weights, stamp_s) == (1, 54, 52, 1.5)
    values = np.frombuffer(frame, "<f4", offset=16)
    np.testing.assert_array_equal(values, np.float32([*POSITIONS, *WEIGHTS]))


def test_the_names_are_sent_again_only_when_they_change(server):
    async def act(websocket):
        await websocket.receive_str()
        push_pose(server, 0.0)
        push_pose(server, 0.1)
        server.push_motion(0.2, JOINTS[:2], [0.0, 0.0], ARKIT_NAMES[:1], [1.0])
        kinds = []
        while "stop" not in kinds:
            message = await websocket.receive()
            if message.type is aiohttp.WSMsgType.TEXT:
                kinds.append(len(json.loads(message.data)["joints"]))
            elif struct.unpack_from("<d", message.data, 8)[0] == 0.2:
                kinds.append("stop")
        return kinds

    assert visit(server, act) in ([54, 2, "stop"], [2, "stop"])  # a newer hello replaces one unsent


def test_the_hello_brings_the_standing_pose_for_every_joint(server):
    rest = visit(server, lambda websocket: websocket.receive_json())["rest"]
    assert set(rest) == set(JOINTS)
    assert rest["l_shoulder_roll"] < -0.8  # the left arm hangs


def test_audio_travels_as_it_was_given(server):
    samples = np.array([0, 1, -1, 32767, -32768], np.int16)

    async def act(websocket):
        await websocket.receive_str()
        server.push_audio(2.25, samples, 22050)
        return await websocket.receive_bytes()

    frame = visit(server, act)
    assert struct.unpack_from("<B3xId", frame) == (2, 22050, 2.25)
    np.testing.assert_array_equal(np.frombuffer(frame, "<i2", offset=16), samples)


def test_status_is_strict_json_and_tells_how_many_pages_there_are(server):
    async def act(websocket):
        await websocket.receive_str()
        wait_until(lambda: server.clients == 1)
        server.push_status({"state": "playing", "window_ms": float("nan")})
        return json.loads(await websocket.receive_str(), parse_constant=pytest.fail)

    message = visit(server, act)
    assert message["type"] == "status"
    assert message["values"] == {"state": "playing", "window_ms": None, "pages": 1}


# ---- files --------------------------------------------------------------------------------------


def test_the_page_is_served_and_nothing_beside_it(server):
    assert get(server, "/") == (200, "<title>Avatar</title>")
    assert get(server, "/%2e%2e/secret.txt")[0] in (403, 404)
    assert get(server, "/../secret.txt")[0] in (403, 404)


def test_the_page_and_the_avatar_come_with_the_package():
    server = ViewerServer(port=0)
    server.start()
    try:
        assert "viewer.js" in get(server, "/")[1]

        async def first_bytes():
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"{server.address}/avatar.glb") as response,
            ):
                return await response.content.readexactly(4)

        assert asyncio.run(first_bytes()) == b"glTF"
    finally:
        server.stop()


# ---- who may listen -----------------------------------------------------------------------------


def test_the_own_page_is_welcome_by_each_name_of_this_machine(server):
    port = server.address.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost"):
        hello = visit(server, lambda ws: ws.receive_json(), origin=f"http://{host}:{port}")
        assert hello["type"] == "hello"


@pytest.mark.parametrize("origin", ["http://else.where", "http://127.0.0.1:1", "null"])
def test_a_page_from_elsewhere_is_refused(server, origin):
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        visit(server, lambda ws: ws.receive_json(), origin=origin)
    assert caught.value.status == 403
    assert server.counts["refused_origin"] == 1
    assert server.clients == 0


def test_a_foreign_name_pointed_at_this_machine_stays_foreign(server):
    name = f"else.where:{server.address.rpartition(':')[2]}"
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        visit(server, lambda ws: ws.receive(), origin=f"http://{name}", headers={"Host": name})
    assert caught.value.status == 403


def test_one_page_too_many_is_told_so(server):
    async def fill():
        async with aiohttp.ClientSession() as session:
            pages = [
                await session.ws_connect(f"{server.address}/socket") for _ in range(MOST_CLIENTS)
            ]
            await pages[-1].receive_str()
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await session.ws_connect(f"{server.address}/socket")
            return caught.value.status

    assert asyncio.run(fill()) == 503
    assert server.counts["refused_full"] == 1
    wait_until(lambda: server.clients == 0)


def test_what_pages_say_is_ignored_and_too_long_a_message_ends_only_its_sender(server):
    async def act():
        async with aiohttp.ClientSession() as session:
            quiet = await session.ws_connect(f"{server.address}/socket")
            loud = await session.ws_connect(f"{server.address}/socket")
            await quiet.receive_str()
            await loud.receive_str()
            await loud.send_str("hello?")
            await loud.send_str("x" * (MOST_MESSAGE_BYTES + 1))
            closing = await loud.receive()
            push_pose(server)
            await quiet.receive_str()
            return closing.type, len(await quiet.receive_bytes())

    closing, size = asyncio.run(act())
    assert closing is aiohttp.WSMsgType.CLOSE
    assert size == 16 + 4 * (54 + 52)
    assert server.counts["ignored_messages"] == 1


def test_a_page_that_talks_on_and_on_is_closed(server):
    async def act(websocket):
        await websocket.receive_str()
        for _ in range(MOST_MESSAGES + 1):
            await websocket.send_str("hello?")
        return (await websocket.receive()).data

    assert visit(server, act) == aiohttp.WSCloseCode.POLICY_VIOLATION
    assert server.counts["refused_talkers"] == 1


# ---- nobody waits -------------------------------------------------------------------------------


class StuckSocket:
    """A connection that takes nothing until it is released."""

    def __init__(self):
        self.sent = []
        self.free = asyncio.Event()

    async def send_str(self, text):
        await self.free.wait()
        self.sent.append(text)

    send_bytes = send_str


def test_an_outbox_keeps_the_newest_in_order_and_counts_what_it_drops():
    async def act():
        stuck, counts = StuckSocket(), Counter()
        client = Client(stuck, counts)
        sending = asyncio.create_task(client.send())
        for number in range(100):
            client.post_motion(number)
            client.post_text("status", f"status {number}")
        stuck.free.set()
        while len(stuck.sent) < MOST_MOTION_FRAMES + 1:
            await asyncio.sleep(0)
        sending.cancel()
        return stuck.sent, counts

    sent, counts = asyncio.run(asyncio.wait_for(act(), PATIENCE_S))
    assert sent == ["status 99", *range(100 - MOST_MOTION_FRAMES, 100)]
    assert counts == {"motion_dropped": 100 - MOST_MOTION_FRAMES}


def connect_and_never_read(server):
    host, port = server.address.removeprefix("http://").split(":")
    stuck = socket.socket()
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stuck.connect((host, int(port)))
    stuck.sendall(
        f"GET /socket HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    wait_until(lambda: server.clients == 1)
    return stuck


def test_a_page_that_reads_nothing_holds_up_neither_producer_nor_other_pages(server):
    second = np.zeros(16000, np.int16)
    with connect_and_never_read(server):
        start_s = time.perf_counter()
        for number in range(2000):
            server.push_audio(number, second, 16000)
            push_pose(server, number)
        assert time.perf_counter() - start_s < PATIENCE_S

        async def newest(websocket):
            await websocket.receive_str()
            push_pose(server, 9999.0)
            while True:
                frame = await websocket.receive_bytes()
                if struct.unpack_from("<d", frame, 8)[0] == 9999.0:
                    return True

        assert visit(server, newest)
        wait_until(lambda: server.counts["motion_dropped"] and server.counts["audio_dropped"])


def test_pushing_before_start_and_after_stop_is_harmless(page):
    server = ViewerServer(port=0, page=page)
    push_pose(server)
    server.start()
    server.stop()
    server.stop()
    push_pose(server)
    server.push_audio(0.0, np.zeros(4, np.int16), 16000)
    server.push_status({})


# ---- start and stop -----------------------------------------------------------------------------


def test_stopping_closes_the_pages_and_frees_the_port(page):
    server = ViewerServer(port=0, page=page)
    server.start()
    port = int(server.address.rpartition(":")[2])

    async def act(websocket):
        await websocket.receive_str()
        await asyncio.to_thread(server.stop)
        return (await websocket.receive()).type

    assert visit(server, act) is aiohttp.WSMsgType.CLOSE
    again = ViewerServer(port=port, page=page)
    again.start()
    assert visit(again, lambda websocket: websocket.receive_json())["type"] == "hello"
    again.stop()


def test_a_taken_port_and_a_missing_page_are_explained(server, tmp_path):
    port = int(server.address.rpartition(":")[2])
    with pytest.raises(ConfigError, match=rf"cannot listen on 127\.0\.0\.1:{port}.*another port"):
        ViewerServer(port=port, page=server._page).start()
    with pytest.raises(ConfigError, match=r"no index\.html"):
        ViewerServer(port=0, page=tmp_path / "nothing").start()
