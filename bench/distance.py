"""A TCP proxy on loopback that puts a server far away: ``python -m bench.distance PORT SECONDS``.

Every byte leaves half a round trip after it came, in both directions: a request that waits for its answer takes a round
trip longer, and bytes that follow each other keep their distance, so throughput stays. A new connection waits a round
trip more, as for TCP's handshake. What it does not have: TLS, slow start, loss.

Prints its own port; then, for each line on stdin, what has passed, as JSON. Ends with the end of stdin. One thread and
one queue: the delay is the same for all bytes, so what came first also leaves first.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass, field

CHUNK = 1 << 18
MOST_HELD = 8 << 20
"""Bytes on their way to one end before the other end has to wait."""


@dataclass
class Passed:
    """What has passed, over all connections."""

    up: int = 0
    """Bytes from clients to the server."""
    down: int = 0
    connections: int = 0


@dataclass(eq=False)
class End:
    """One of the two sockets of a connection, and what is on its way to it."""

    socket: socket.socket
    up: bool
    """Whether what is read here goes up, to the server."""
    held: int = 0
    unsent: deque[memoryview] = field(default_factory=deque)
    ending: bool = False
    """The other end has said all it had to say."""
    events: int = 0


class Line:
    def __init__(self, port: int, round_trip: float) -> None:
        self._port = port
        self._delay = round_trip / 2
        self._passed = Passed()
        self._poll = select.epoll()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._others: dict[End, End] = {}
        self._ends: dict[int, End] = {}
        self._opening: deque[tuple[float, End]] = deque()
        self._queue: deque[tuple[float, End, bytes]] = deque()

    def serve(self) -> None:
        sys.stdout.write(f"{self._listener.getsockname()[1]}\n")
        sys.stdout.flush()
        self._poll.register(sys.stdin.fileno(), select.EPOLLIN)
        self._poll.register(self._listener.fileno(), select.EPOLLIN)
        while True:
            for number, events in self._poll.poll(self._pause()):
                if number == self._listener.fileno():
                    self._accept()
                elif number == sys.stdin.fileno():
                    if not sys.stdin.readline():
                        return
                    sys.stdout.write(json.dumps(vars(self._passed)) + "\n")
                    sys.stdout.flush()
                elif (end := self._ends.get(number)) is not None:
                    self._serve(end, events)
            self._release(time.monotonic())

    def _serve(self, end: End, events: int) -> None:
        if events & (select.EPOLLHUP | select.EPOLLERR):
            self._close(end)
            return
        if events & select.EPOLLIN:
            self._read(end)
        if events & select.EPOLLOUT:
            self._send(end)

    def _pause(self) -> float | None:
        next_ones = [queue[0][0] for queue in (self._queue, self._opening) if queue]
        return max(0.0, min(next_ones) - time.monotonic()) if next_ones else None

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(("127.0.0.1", self._port))
        except OSError:
            client.close()
            return
        self._passed.connections += 1
        ends = End(client, up=True), End(server, up=False)
        for end, other in (ends, reversed(ends)):
            end.socket.settimeout(0)
            end.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._others[end] = other
            self._ends[end.socket.fileno()] = end
            self._poll.register(end.socket.fileno(), 0)
        self._opening.append((time.monotonic() + 2 * self._delay, ends[0]))

    def _release(self, now: float) -> None:
        while self._opening and self._opening[0][0] <= now:
            _, end = self._opening.popleft()
            self._want(end, reading=True)
            self._want(self._others[end], reading=True)
        while self._queue and self._queue[0][0] <= now:
            _, end, data = self._queue.popleft()
            if end not in self._others:
                continue
            if data:
                end.unsent.append(memoryview(data))
            else:
                end.ending = True
            self._send(end)

    def _read(self, end: End) -> None:
        try:
            data = end.socket.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        other = self._others[end]
        self._queue.append((time.monotonic() + self._delay, other, data))
        if not data:
            self._want(end, reading=False)
            return
        if end.up:
            self._passed.up += len(data)
        else:
            self._passed.down += len(data)
        other.held += len(data)
        if other.held > MOST_HELD:
            self._want(end, reading=False)

    def _send(self, end: End) -> None:
        """Send what may leave; what the socket does not take now waits until it does."""
        try:
            while end.unsent:
                sent = end.socket.send(end.unsent[0])
                was, end.held = end.held, end.held - sent
                if was > MOST_HELD >= end.held:
                    self._want(self._others[end], reading=True)
                if sent < len(end.unsent[0]):
                    end.unsent[0] = end.unsent[0][sent:]
                else:
                    end.unsent.popleft()
        except BlockingIOError:
            self._want(end, writing=True)
            return
        except OSError:
            end.ending = True
        if end.ending:
            self._close(end)
        elif end.events & select.EPOLLOUT:
            self._want(end, writing=False)

    def _close(self, end: End) -> None:
        for one in (end, self._others[end]):
            del self._others[one]
            del self._ends[one.socket.fileno()]
            self._poll.unregister(one.socket.fileno())
            one.socket.close()

    def _want(self, end: End, *, reading: bool | None = None, writing: bool | None = None) -> None:
        events = end.events
        for wanted, bit in ((reading, select.EPOLLIN), (writing, select.EPOLLOUT)):
            if wanted is not None:
                events = events | bit if wanted else events & ~bit
        if events != end.events:
            end.events = events
            self._poll.modify(end.socket.fileno(), events)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        Line(int(sys.argv[1]), float(sys.argv[2])).serve()
