"""Pages that come in crowds, talk without end or read nothing hold nobody up."""

import asyncio
import socket
import struct
import time
from collections import Counter

import aiohttp
import numpy as np
import pytest
from viewer_helpers import PATIENCE_S, push_pose, visit, wait_until

from asynfusion_ros.viewer.clients import MOST_MOTION_FRAMES, Client
from asynfusion_ros.viewer.server import (
    MOST_CLIENTS,
    MOST_MESSAGE_BYTES,
    MOST_MESSAGES,
    ViewerServer,
)


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
