"""Who may see the avatar: tokens where others can reach the page, and garbage on the wire."""

import asyncio
import socket
from collections import Counter

import aiohttp
import numpy as np
import pytest
from viewer_helpers import get, visit, wait_until

from asynfusion_ros.errors import ConfigError
from asynfusion_ros.viewer import guard
from asynfusion_ros.viewer.guard import MOST_CONNECTIONS, Guard, is_loopback
from asynfusion_ros.viewer.server import ViewerServer

# ---- tokens -------------------------------------------------------------------------------------


@pytest.fixture
def open_server(page):
    opened = ViewerServer("0.0.0.0", port=0, page=page)
    opened.start()
    yield opened
    opened.stop()


def test_a_page_that_others_can_reach_needs_its_token(open_server):
    query = open_server.link.partition("?")[2]
    assert len(query) > len("token=") + 20
    paths = ("/", "/socket", "/avatar.glb", "/index.html", "/?token=", f"/?{query}x", "/?token=%ff")
    for path in paths:
        assert get(open_server, path)[0] == 403, path
    assert get(open_server, f"/?{query}")[0] == 200
    assert open_server.counts["refused_token"] == len(paths)
    with pytest.raises(aiohttp.WSServerHandshakeError):
        visit(open_server, lambda websocket: websocket.receive())


def test_the_token_is_needed_once_and_then_kept_as_a_cookie(open_server):
    query = open_server.link.partition("?")[2]

    async def browse():
        jar = aiohttp.CookieJar(unsafe=True)  # the address is a number
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            base = open_server.address.replace("0.0.0.0", "127.0.0.1")
            async with session.get(f"{base}/?{query}") as first:
                cookie = first.headers["Set-Cookie"]
                assert first.headers["Referrer-Policy"] == "no-referrer"
            async with session.get(f"{base}/index.html") as second:
                assert second.status == 200
            async with session.ws_connect(f"{base}/socket", origin=base) as websocket:
                return cookie, (await websocket.receive_json())["type"]

    cookie, first = asyncio.run(browse())
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert first == "hello"


def test_a_given_token_is_used_and_a_short_one_refused(page):
    opened = ViewerServer(port=0, page=page, token="my secret of many letters")
    opened.start()
    try:
        assert opened.link.endswith("/?token=my+secret+of+many+letters")
        assert get(opened, "/")[0] == 403
        assert get(opened, "/" + opened.link.rpartition("/")[2])[0] == 200
    finally:
        opened.stop()
    with pytest.raises(ConfigError, match="16 or more"):
        ViewerServer(port=0, page=page, token="short")


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("localhost", True), ("::1", True), ("[::1]", True),
     ("0.0.0.0", False), ("", False), ("::", False), ("192.168.1.2", False), ("else.where", False)],
)  # fmt: skip
def test_only_this_machine_needs_no_token(host, local):
    assert is_loopback(host) == local
    assert bool(Guard(host, "", Counter()).token) != local


# ---- garbage on the wire ------------------------------------------------------------------------


def exchange(server, data, patience_s=2.0):
    """Send bytes and return the answer, empty where none comes."""
    host, port = server.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=patience_s) as connection:
        try:
            connection.sendall(data)
            return connection.recv(4096)
        except (TimeoutError, ConnectionError):
            return b""


HEAD = b"GET /socket HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
UPGRADE = HEAD + (
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
BAD_REQUESTS = (
    b"\x16\x03\x01garbage\r\n\r\n",
    b"GET " + b"/a" * 10_000 + b" HTTP/1.1\r\n\r\n",
    b"GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /%2e%2e/secret.txt HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: y\r\n" % i for i in range(5000)) + b"\r\n",
    b"POST /socket HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\nx",
    HEAD + b"\r\n",
    UPGRADE.replace(b"Host: a", b"Host: a\r\nOrigin: http://[::1"),
    UPGRADE + b"\xff" * 64,
    UPGRADE + b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff",
    UPGRADE + b"\x09\xff",
)


def test_garbage_is_answered_and_leaves_the_others_alone(server):
    rng = np.random.default_rng(0)
    for request in BAD_REQUESTS:
        answer = exchange(server, request)
        assert not answer.startswith(b"HTTP/1.1 200"), request[:60]
        assert b"not for pages" not in answer
    for _ in range(40):
        data = bytearray(UPGRADE + b"\x81\x85abcd12345")
        for at in rng.integers(0, len(data), 4):
            data[at] = rng.integers(0, 256)
        exchange(server, bytes(data), patience_s=0.02)
    assert get(server, "/")[0] == 200
    assert visit(server, lambda websocket: websocket.receive_json())["type"] == "hello"
    wait_until(lambda: server.clients == 0)


def test_too_many_connections_are_hung_up_and_silent_ones_end(page, monkeypatch):
    monkeypatch.setattr(guard, "ASK_S", 0.5)
    opened = ViewerServer(port=0, page=page)
    opened.start()
    address = ("127.0.0.1", int(opened.address.rpartition(":")[2]))
    silent = [socket.create_connection(address) for _ in range(MOST_CONNECTIONS + 3)]
    try:
        wait_until(lambda: opened.counts["refused_silent"] >= MOST_CONNECTIONS)
        assert opened.counts["refused_connections"] > 0
        assert get(opened, "/")[0] == 200
    finally:
        for connection in silent:
            connection.close()
        opened.stop()
