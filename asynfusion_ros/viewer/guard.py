"""Who may see the avatar: whose page, how many, and with which token where others can reach it."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

from asynfusion_ros.errors import ConfigError

MOST_CONNECTIONS: Final = 64
ASK_S: Final = 10.0
"""Whoever connects and asks for nothing is sent away after so long."""
SHORTEST_TOKEN: Final = 16

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach what listens on `host`."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """Refuses what has no business here, and counts it.

    Where the page is served on an address that others can reach, a token is needed: the one given,
    or one made anew. A browser brings it once, in the page's address, and then as a cookie.
    """

    def __init__(self, host: str, token: str, counts: Counter[str]) -> None:
        """Guard a page on `host`; raise ConfigError for a token that can be guessed."""
        fit = token.isascii() and token.isprintable() and len(token) >= SHORTEST_TOKEN
        if token and not fit:
            raise ConfigError(
                f"the viewer's token has {len(token)} characters; give {SHORTEST_TOKEN} or more of "
                "ASCII, or none, and one is made"
            )
        self._local = is_loopback(host)
        self.token = token or ("" if self._local else secrets.token_urlsafe(16))
        self._counts = counts
        self._silent: set[object] = set()

    def admit(self, server: web.Server) -> asyncio.BaseProtocol:
        """Return what speaks with a new connection: the server, or one that hangs up."""
        if len(self._silent.union(server.connections)) >= MOST_CONNECTIONS:
            self._counts["refused_connections"] += 1
            return _HangUp()
        handler = server()
        self._silent.add(handler)
        asyncio.get_running_loop().call_later(ASK_S, self._dismiss, handler)
        return handler

    def _dismiss(self, handler: asyncio.BaseProtocol) -> None:
        transport = getattr(handler, "transport", None)
        if handler in self._silent and transport is not None:
            self._counts["refused_silent"] += 1
            transport.close()
        self._silent.discard(handler)

    def middleware(self, cookie: str) -> Middleware:
        """Return the aiohttp middleware that asks for the token, kept in the `cookie`."""

        @web.middleware
        async def check(request: web.Request, handler: _Handler) -> web.StreamResponse:
            self._silent.discard(request.protocol)
            if self.token and not self._knows(request, cookie):
                self._counts["refused_token"] += 1
                raise web.HTTPForbidden(
                    text="the token is missing or wrong; open the address that the viewer printed"
                )
            response = await handler(request)
            if not response.prepared:
                response.headers["Referrer-Policy"] = "no-referrer"
                response.headers["X-Content-Type-Options"] = "nosniff"
                if self.token:
                    response.set_cookie(cookie, self.token, httponly=True, samesite="Strict")
            return response

        return check

    def _knows(self, request: web.Request, cookie: str) -> bool:
        given = request.query.get("token") or request.cookies.get(cookie) or ""
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode())

    def welcomes(self, request: web.Request, port: int) -> bool:
        """Accept the page's own origin, and programs, which send none.

        Served on loopback, the origin must be a loopback name: a foreign name that its owner points
        to this machine is equal to the request's host, and still foreign.
        """
        origin = request.headers.get("Origin")
        if origin is None:
            return True
        try:
            parts = urlsplit(origin)
            if self._local:
                return is_loopback(parts.hostname or "") and parts.port == port
        except ValueError:
            return False
        return parts.netloc == request.host


class _HangUp(asyncio.Protocol):
    """Ends a connection as soon as it is made."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
