"""The far server: bytes arrive as they were sent, half a round trip later."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.running import ROOT

ROUND_TRIP = 0.05
LARGE = 12 << 20


@contextmanager
def far(port: int, round_trip: float = ROUND_TRIP) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.distance", str(port), str(round_trip)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline()), process
    finally:
        process.communicate(timeout=10)


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it gets, and hangs up when its client does."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(client: socket.socket) -> None:
        with client:
            while data := client.recv(1 << 16):
                client.sendall(data)

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(client,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(10)


def received(client: socket.socket, size: int) -> bytes:
    parts = []
    while size > 0:
        part = client.recv(1 << 16)
        assert part, "hung up"
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def test_each_exchange_takes_a_round_trip_and_the_first_one_two(echo: int) -> None:
    with far(echo) as (port, _):
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            client.sendall(b"?")
            assert received(client, 1) == b"?"
            first = time.monotonic() - began
            for _ in range(4):
                client.sendall(b"?")
                received(client, 1)
    assert first >= 2 * ROUND_TRIP * 0.99
    assert time.monotonic() - began >= 6 * ROUND_TRIP * 0.99


def test_bytes_that_follow_each_other_wait_once(echo: int) -> None:
    # Sent in a hundred pieces without waiting for answers; a proxy that made each wait would take 25 s.
    with far(echo, 0.5) as (port, _), socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        began = time.monotonic()
        for number in range(100):
            client.sendall(bytes([number]))
        assert received(client, 100) == bytes(range(100))
        assert time.monotonic() - began < 20


def test_much_arrives_as_it_was_sent_both_ways(echo: int) -> None:
    payload = hashlib.shake_256(b"seed").digest(LARGE)
    with far(echo) as (port, process), socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        sender = threading.Thread(target=client.sendall, args=(payload,))
        sender.start()
        assert received(client, LARGE) == payload
        sender.join()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline()) == {"up": LARGE, "down": LARGE, "connections": 1}


def test_the_end_of_one_side_is_the_end_of_the_other(echo: int) -> None:
    with far(echo) as (port, _), socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"last words")
        assert received(client, 10) == b"last words"
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""


def test_where_nobody_listens_a_client_is_hung_up_on() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with (
            far(unused.getsockname()[1]) as (port, _),
            socket.create_connection(("127.0.0.1", port), timeout=20) as client,
        ):
            assert client.recv(1) == b""
