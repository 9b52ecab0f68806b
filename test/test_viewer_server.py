"""The viewer's server: what goes over the wire, who may listen, and that nobody can hold it up."""

import asyncio
import json
import struct

import aiohttp
import numpy as np
import pytest
from viewer_helpers import (
    JOINTS,
    POSITIONS,
    WEIGHTS,
    get,
    push_pose,
    visit,
    wait_until,
)

from asynfusion_ros.errors import ConfigError
from asynfusion_ros.motion.blendshapes import ARKIT_NAMES
from asynfusion_ros.viewer import protocol
from asynfusion_ros.viewer.server import ViewerServer

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
        server.push_audio(2.25, samples, 22050, 65535)
        return await websocket.receive_bytes()

    frame = visit(server, act)
    assert struct.unpack_from("<BxHId", frame) == (2, 65535, 22050, 2.25)
    np.testing.assert_array_equal(np.frombuffer(frame, "<i2", offset=16), samples)


def test_every_sound_that_ends_is_named(server):
    async def act(websocket):
        await websocket.receive_str()
        for sound in (3, 4):
            server.push_hush(sound)
        return [json.loads(await websocket.receive_str()) for _ in range(2)]

    assert visit(server, act) == [{"type": "hush", "sound": sound} for sound in (3, 4)]


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
