"""A proxy in front of a real S3 server that does to chosen requests what networks and broken servers do.

It passes each request on as it was signed, ``Host`` included, so the server checks the client's own signature.
"""

from __future__ import annotations

import hashlib
import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ALWAYS = 1 << 30
PATIENCE = 60.0
"""Seconds until a test gives up waiting for something that must come."""
HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive"}
ABORT = struct.pack("ii", 1, 0)
"""SO_LINGER: a close drops what is unsent and tells the peer so, with a reset."""


@dataclass(frozen=True)
class Cut:
    """The connection is reset after so many bytes of the request's body; the server never hears of it."""

    at: int


@dataclass(frozen=True)
class CutReply:
    """The connection is reset after so many bytes of the reply, its head included. 0: the reply is lost."""

    at: int


@dataclass(frozen=True)
class ShortReply:
    """The reply ends after so many bytes of its body, fewer than its head says, as if that were all."""

    at: int


@dataclass(frozen=True)
class Stall:
    """The server has done what was asked, and no reply comes until the test lets go."""


@dataclass(frozen=True)
class Say:
    """Answered by the proxy; the server never hears of it."""

    status: int
    code: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Swallow:
    """200 and the ETag of what was sent, and nothing is stored."""


@dataclass(frozen=True)
class StoreOther:
    """The reply is the server's, for what was sent; then one bit of what is stored changes, and its ETag with it."""


@dataclass(frozen=True)
class FlipRequest:
    """One bit of the request's body changes on the way."""


@dataclass(frozen=True)
class FlipReply:
    """One bit of the reply's body changes on the way."""


@dataclass(frozen=True)
class Etag:
    """The reply's ETag is another one, or none."""

    value: str | None


@dataclass(frozen=True)
class Replay:
    """The server's first reply to such a request, again, whatever has changed since."""


Fault = Cut | CutReply | ShortReply | Stall | Say | Swallow | StoreOther | FlipRequest | FlipReply | Etag | Replay


@dataclass
class Rule:
    """Which requests a fault befalls: of those that match, all but the first ``after``, ``times`` times."""

    fault: Fault
    methods: tuple[str, ...]
    path: re.Pattern[str]
    """Searched for in the decoded path and query."""
    after: int
    times: int
    befallen: int = 0


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    """Decoded, with its query."""
    fault: Fault | None


@dataclass
class Reply:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def set(self, name: str, value: str | None) -> None:
        self.headers = [(known, old) for known, old in self.headers if known.lower() != name.lower()]
        if value is not None:
            self.headers.append((name, value))


@dataclass
class S3Proxy:
    """``url`` takes the server's place in a config. ``client`` is a way to the same server past the proxy."""

    upstream: str
    client: S3Client
    requests: list[Request] = field(default_factory=list)
    url: str = ""
    _rules: list[Rule] = field(default_factory=list)
    _replies: dict[tuple[str, str], Reply] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _released: threading.Event = field(default_factory=threading.Event)

    def befall(
        self, fault: Fault, *methods: str, path: str = "", key: str | None = None, after: int = 0, times: int = ALWAYS
    ) -> Rule:
        """Let a fault befall requests of these methods, any if none is named; ``key``: of this object alone."""
        pattern = path if key is None else rf"/{re.escape(key)}$"
        rule = Rule(fault, methods, re.compile(pattern), after, times)
        with self._lock:
            self._rules.append(rule)
        return rule

    def heal(self) -> None:
        """Take all faults away and let go of what is stalled; what was seen so far is forgotten."""
        with self._lock:
            self._rules.clear()
            self._replies.clear()
            self.requests.clear()
            self._released.set()
            self._released = threading.Event()

    def of(self, *methods: str, path: str = "") -> list[Request]:
        """Return the requests so far of these methods whose path holds a match."""
        with self._lock:
            return [one for one in self.requests if one.method in methods and re.search(path, one.path)]

    def meet(self, method: str, path: str) -> tuple[Fault | None, threading.Event]:
        """Record a request; return what befalls it and the event that ends a stall."""
        with self._lock:
            fault = next((rule.fault for rule in self._rules if _strikes(rule, method, path)), None)
            self.requests.append(Request(method, path, fault))
            return fault, self._released

    def first_reply(self, method: str, path: str, reply: Reply) -> Reply:
        with self._lock:
            return self._replies.setdefault((method, path), reply)

    def store_other(self, path: str, payload: bytes) -> None:
        bucket, _, key = path.partition("?")[0].removeprefix("/").partition("/")
        self.client.put_object(Bucket=bucket, Key=key, Body=flipped(payload), ContentType="binary/octet-stream")


def _strikes(rule: Rule, method: str, path: str) -> bool:
    if (rule.methods and method not in rule.methods) or rule.path.search(path) is None:
        return False
    if rule.after > 0:
        rule.after -= 1
        return False
    if rule.befallen >= rule.times:
        return False
    rule.befallen += 1
    return True


def flipped(payload: bytes) -> bytes:
    middle = len(payload) // 2
    return payload[:middle] + bytes([payload[middle] ^ 1]) + payload[middle + 1 :] if payload else b"x"


def md5(payload: bytes) -> str:
    return hashlib.md5(payload, usedforsecurity=False).hexdigest()


@contextmanager
def s3_proxy(upstream: str, client: S3Client) -> Iterator[S3Proxy]:
    """Run a proxy in front of ``upstream``; the ``client``'s requests go past it."""
    proxy = S3Proxy(upstream, client)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(proxy))
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.heal()
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(proxy: S3Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            path = unquote(self.path)
            # A copy by the server is a PUT that carries nothing but where from.
            method = "COPY" if self.headers.get("x-amz-copy-source") else self.command
            fault, released = proxy.meet(method, path)
            length = int(self.headers.get("Content-Length") or 0)
            if isinstance(fault, Cut):
                self.rfile.read(min(fault.at, length))
                self._abort()
                return
            body = self.rfile.read(length)
            match fault:
                case Say():
                    self._send(self._error(fault))
                case Swallow():
                    self._send(Reply(200, [("ETag", f'"{md5(body)}"')], b""))
                case _:
                    self._pass_on(fault, path, body, released)

        do_PUT = do_HEAD = do_POST = do_DELETE = do_GET  # noqa: N815 - the base class looks for these names

        def _pass_on(self, fault: Fault | None, path: str, body: bytes, released: threading.Event) -> None:
            reply = self._ask(flipped(body) if isinstance(fault, FlipRequest) else body)
            match fault:
                case None | FlipRequest():
                    self._send(reply)
                case CutReply(at=at):
                    self.wfile.write(self._bytes(reply)[:at])
                    self._abort()
                case ShortReply(at=at):
                    head = len(self._bytes(reply)) - len(reply.body)
                    self.wfile.write(self._bytes(reply)[: head + at])
                    self.close_connection = True
                case Stall():
                    assert released.wait(PATIENCE), "nobody let go of a stalled request"
                    self._abort()
                case StoreOther():
                    if reply.status == 200:
                        proxy.store_other(path, body)
                    self._send(reply)
                case FlipReply():
                    self._send(Reply(reply.status, reply.headers, flipped(reply.body)))
                case Etag(value=value):
                    reply.set("ETag", value)
                    self._send(reply)
                case Replay():
                    self._send(proxy.first_reply(self.command, path, reply))
                case _:
                    raise AssertionError(f"{fault} is dealt with before")

        def _ask(self, body: bytes) -> Reply:
            parts = urlsplit(proxy.upstream)
            server = HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)
            try:
                server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    if name.lower() not in {*HOP_BY_HOP, "expect"}:
                        server.putheader(name, value)
                server.endheaders(body or None)
                said = server.getresponse()
                content = said.read()
                headers = [(name, value) for name, value in said.getheaders() if name.lower() not in HOP_BY_HOP]
                reply = Reply(said.status, headers, content)
            finally:
                server.close()
            if self.command != "HEAD":
                reply.set("Content-Length", str(len(content)))
            return reply

        def _error(self, fault: Say) -> Reply:
            body = f"<Error><Code>{fault.code}</Code><Message>as the test says</Message></Error>".encode()
            return Reply(fault.status, [("Content-Type", "application/xml"), *fault.headers], body)

        def _bytes(self, reply: Reply) -> bytes:
            if not any(name.lower() == "content-length" for name, _ in reply.headers):
                reply.set("Content-Length", str(len(reply.body)))
            head = "".join(f"{name}: {value}\r\n" for name, value in reply.headers)
            content = b"" if self.command == "HEAD" else reply.body
            return f"HTTP/1.1 {reply.status} -\r\n{head}\r\n".encode("latin-1") + content

        def _send(self, reply: Reply) -> None:
            self.wfile.write(self._bytes(reply))

        def _abort(self) -> None:
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            # Only when nobody holds the socket any more is it closed.
            self.rfile.close()
            self.connection.close()

        def handle(self) -> None:  # type: ignore[explicit-override]
            try:
                super().handle()
            except OSError:
                """The client has gone, because its run was killed or would not wait any longer."""

        def log_message(self, *_: object) -> None:  # type: ignore[explicit-override]
            """Say nothing: stderr is the test's."""

    return Handler
