"""A connection pooler before a PostgreSQL server: as PgBouncer does, it lends a server connection for a transaction."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections import deque
from collections.abc import Iterator

import sqlalchemy as sa

from tests.listening import listening

IDLE = b"I"
READY = b"Z"
ENDS_A_TURN = (b"Q", b"S", b"X")
"""Query, Sync and Terminate: what a client sends before it waits."""


class _Lent:
    """Server connections that nobody is using, each with what the server said when it was opened."""

    def __init__(self, address: tuple[str, int], *, in_turn: bool) -> None:
        self._address = address
        self._in_turn = in_turn
        self._idle: deque[tuple[socket.socket, bytes]] = deque()
        self._lock = threading.Lock()
        self.opened: list[socket.socket] = []

    def take(self, startup: bytes) -> tuple[socket.socket, bytes]:
        with self._lock:
            if self._idle and not (self._in_turn and len(self.opened) < 2):
                return self._idle.popleft() if self._in_turn else self._idle.pop()
            server = socket.create_connection(self._address)
            self.opened.append(server)
        server.sendall(startup)
        return server, _turn(server)[0]

    def give_back(self, one: tuple[socket.socket, bytes]) -> None:
        with self._lock:
            self._idle.append(one)


@contextlib.contextmanager
def pooled(url: str, *, in_turn: bool) -> Iterator[str]:
    """Give the URL of the same database behind a pooler in transaction mode.

    It lends the connection that was given back last, or with ``in_turn`` one after the other.
    """
    behind = sa.make_url(url)
    lent = _Lent((behind.host or "", behind.port or 0), in_turn=in_turn)

    def serve(client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            _serve(client, lent)

    with listening(serve) as port:
        try:
            yield behind.set(port=port).render_as_string(hide_password=False)
        finally:
            for server in lent.opened:
                server.close()


def _serve(client: socket.socket, lent: _Lent) -> None:
    startup = _exactly(client, 4)
    startup += _exactly(client, struct.unpack("!i", startup)[0] - 4)
    one = lent.take(startup)
    client.sendall(one[1])
    lent.give_back(one)
    state, held = IDLE, None
    while True:
        kind, asked = _message(client)
        while kind not in ENDS_A_TURN:
            kind, more = _message(client)
            asked += more
        if kind == b"X":
            return
        held = held or lent.take(startup)
        held[0].sendall(asked)
        reply, state = _turn(held[0])
        client.sendall(reply)
        if state == IDLE:
            lent.give_back(held)
            held = None


def _turn(server: socket.socket) -> tuple[bytes, bytes]:
    """Return all that the server says until it waits, and the state of its transaction then."""
    said = b""
    while True:
        kind, message = _message(server)
        said += message
        if kind == READY:
            return said, message[-1:]


def _message(peer: socket.socket) -> tuple[bytes, bytes]:
    head = _exactly(peer, 5)
    return head[:1], head + _exactly(peer, struct.unpack("!i", head[1:])[0] - 4)


def _exactly(peer: socket.socket, size: int) -> bytes:
    received = peer.recv(size, socket.MSG_WAITALL) if size else b""
    if len(received) != size:
        raise ConnectionError("hung up")
    return received
