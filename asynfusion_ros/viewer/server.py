"""Serves the avatar's page and feeds it over a websocket; a consumer of motion like any other.

The server lives on a thread of its own with its own event loop. Producers push from any thread and
never wait: each page has a bounded outbox, and what is too much for it is dropped and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy.typing as npt
from aiohttp import WSCloseCode, WSMsgType, web

from asynfusion_ros.errors import ConfigError, StateError
from asynfusion_ros.motion.limits import to_joint_positions
from asynfusion_ros.motion.skeleton import Skeleton
from asynfusion_ros.viewer import protocol
from asynfusion_ros.viewer.assets import Assets
from asynfusion_ros.viewer.clients import Client
from asynfusion_ros.viewer.guard import Guard

MOST_CLIENTS = 8
MOST_MESSAGE_BYTES = 4096
MOST_MESSAGES = 100
_HEARTBEAT_S = 20.0
_IDLE_S = 30.0
_START_S = 10.0
_PAGE = Path(__file__).resolve().parent / "web" / "dist"


class ViewerServer:
    """The page at `address`, and what it is shown."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 8765,
        page: Path | None = None,
        token: str = "",
        assets: Assets | None = None,
    ) -> None:
        """Prepare to serve on `host`:`port` (0 takes a free one) the files of `page`.

        Where others can reach `host`, pages need a token: `token`, or one made anew. `assets` are
        what pages show (a ready look). Raises ConfigError for a token that is too short.
        """
        self._host, self._port = host, port
        self._page = page or _PAGE
        self.assets = assets or Assets()
        self.counts: Counter[str] = Counter()
        self._guard = Guard(host, token, self.counts)
        self._clients: set[Client] = set()
        self._names: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
        self._robot: str | None = None
        self._rest = _rest_positions()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopping: asyncio.Event | None = None
        self._failure: BaseException | None = None

    @property
    def address(self) -> str:
        """Where the page is, such as http://127.0.0.1:8765."""
        return f"http://{self._host}:{self._port}"

    @property
    def link(self) -> str:
        """What to open: the address, and the token where one is needed."""
        everywhere = self._host in ("0.0.0.0", "::", "")
        address = f"http://{socket.gethostname()}:{self._port}" if everywhere else self.address
        token = self._guard.token
        return f"{address}/?{urlencode({'token': token})}" if token else address

    @property
    def clients(self) -> int:
        """How many pages are connected."""
        return len(self._clients)

    def start(self) -> None:
        """Begin to serve; raise ConfigError where the page is missing or the port is taken."""
        if not (self._page / "index.html").is_file():
            raise ConfigError(f"{self._page} holds no index.html; reinstall the package")
        ready = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(ready,), name="viewer-server", daemon=True
        )
        self._thread.start()
        if not ready.wait(_START_S):
            raise StateError(f"the viewer did not start within {_START_S} s")
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise ConfigError(
                f"the viewer cannot listen on {self._host}:{self._port} ({failure}); "
                "choose another port (0 takes a free one)"
            ) from failure

    def stop(self, timeout_s: float = 5.0) -> None:
        """Close all pages and end the thread; may be called twice."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        stopping = self._stopping
        if stopping is not None:
            self._call(stopping.set)
        thread.join(timeout_s)

    # ---- pushing, from any thread ---------------------------------------------------------------

    def push_motion(
        self,
        stamp_s: float,
        joint_names: Sequence[str],
        positions: npt.ArrayLike,
        face_names: Sequence[str],
        weights: npt.ArrayLike,
    ) -> None:
        """Show joint positions [rad] and face weights that belong to audio time `stamp_s`."""
        names = (tuple(joint_names), tuple(face_names))
        frame = protocol.pack_motion(stamp_s, positions, weights)
        self._call(lambda: self._show(names, frame))

    def push_audio(
        self, stamp_s: float, samples_int16: npt.ArrayLike, rate_hz: int, sound: int = 0
    ) -> None:
        """Play mono int16 samples, the first of which belongs to `stamp_s`, until `push_hush`."""
        frame = protocol.pack_audio(stamp_s, samples_int16, rate_hz, sound)
        self._call(lambda: self._each(lambda client: client.post_audio(frame)))

    def push_hush(self, sound: int) -> None:
        """Stop the sound numbered `sound`, and play nothing more of it."""
        text = protocol.pack_hush(sound)
        self._call(lambda: self._each(lambda client: client.post_text(f"hush {sound}", text)))

    def push_status(self, status: Mapping[str, Any]) -> None:
        """Show plain values such as rates and latencies."""
        text = protocol.pack_status({**status, "pages": self.clients, **self.counts})
        self._call(lambda: self._each(lambda client: client.post_text("status", text)))

    def push_subtitle(self, text: str) -> None:
        """Show what is being said; an empty text takes it away."""
        subtitle = protocol.pack_subtitle(text)
        self._call(lambda: self._each(lambda client: client.post_text("subtitle", subtitle)))

    def push_robot(
        self, stamp_s: float, joint_names: Sequence[str], positions: npt.ArrayLike
    ) -> None:
        """Show joint positions of the robot that `assets` knows, at audio time `stamp_s`."""
        frame = protocol.pack_robot(stamp_s, positions)
        names = protocol.pack_robot_names(joint_names)
        self._call(lambda: self._show_robot(names, frame))

    def _show_robot(self, names: str, frame: bytes) -> None:
        if names != self._robot:
            self._robot = names
            self._each(lambda client: client.post_text("robot", names))
        self._each(lambda client: client.post_motion(frame))

    def _call(self, action: Callable[[], None]) -> None:
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop closed in between: nobody watches
                loop.call_soon_threadsafe(action)

    # ---- on the server's thread -----------------------------------------------------------------

    def _each(self, action: Callable[[Client], None]) -> None:
        for client in self._clients:
            action(client)

    def _show(self, names: tuple[tuple[str, ...], tuple[str, ...]], frame: bytes) -> None:
        if names != self._names:
            self._names = names
            hello = protocol.pack_hello(*names, self._rest)
            self._each(lambda client: client.post_text("hello", hello))
        self._each(lambda client: client.post_motion(frame))

    def _run(self, ready: threading.Event) -> None:
        try:
            asyncio.run(self._serve(ready))
        except OSError as error:
            self._failure = error
        finally:
            self._loop = None
            ready.set()

    async def _serve(self, ready: threading.Event) -> None:
        cookie = f"asynfusion_{secrets.token_hex(4)}"  # cookies do not tell ports apart
        application = web.Application(middlewares=[self._guard.middleware(cookie)])
        application.router.add_get("/", self._send_index)
        application.router.add_get("/socket", self._accept)
        self.assets.add_routes(application.router)
        application.router.add_static("/", self._page)
        runner = web.AppRunner(
            application, access_log=None, shutdown_timeout=1.0, keepalive_timeout=_IDLE_S
        )
        await runner.setup()
        listener = None
        try:
            loop, server = asyncio.get_running_loop(), runner.server
            assert server is not None  # after setup
            listener = await loop.create_server(
                lambda: self._guard.admit(server), self._host, self._port, reuse_address=True
            )
            self._port = listener.sockets[0].getsockname()[1]
            self._stopping = asyncio.Event()
            self._loop = loop
            ready.set()
            await self._stopping.wait()
        finally:
            if listener is not None:
                listener.close()
            await runner.cleanup()

    async def _send_index(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(self._page / "index.html")

    async def _accept(self, request: web.Request) -> web.StreamResponse:
        if not self._guard.welcomes(request, self._port):
            self.counts["refused_origin"] += 1
            raise web.HTTPForbidden(
                text="this page comes from another place; open the viewer's own"
            )
        if len(self._clients) >= MOST_CLIENTS:
            self.counts["refused_full"] += 1
            raise web.HTTPServiceUnavailable(text=f"{MOST_CLIENTS} pages are open; close one")
        websocket = web.WebSocketResponse(heartbeat=_HEARTBEAT_S, max_msg_size=MOST_MESSAGE_BYTES)
        await websocket.prepare(request)
        client = Client(websocket, self.counts)
        self._clients.add(client)
        client.post_text("hello", protocol.pack_hello(*self._names, self._rest))
        if self._robot is not None:
            client.post_text("robot", self._robot)
        sending = asyncio.create_task(client.send())
        closing = asyncio.create_task(self._close_at_stop(websocket))
        try:
            async for message in websocket:  # pages have nothing to say
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    self.counts["ignored_messages"] += 1
                    client.heard += 1
                if client.heard > MOST_MESSAGES:
                    self.counts["refused_talkers"] += 1
                    await websocket.close(code=WSCloseCode.POLICY_VIOLATION)
        finally:
            self._clients.discard(client)
            for task in (sending, closing):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await sending
        return websocket

    async def _close_at_stop(self, socket: web.WebSocketResponse) -> None:
        assert self._stopping is not None
        await self._stopping.wait()
        await socket.close()


def _rest_positions() -> dict[str, float]:
    """Return the standing pose of the skeleton by robot joint name [rad]."""
    skeleton = Skeleton.load()
    positions = to_joint_positions(skeleton, skeleton.rest_body[None], 1.0)[0]
    return dict(zip(skeleton.robot_joint_names, positions.tolist(), strict=True))
