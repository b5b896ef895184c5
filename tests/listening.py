"""Servers of a few lines, in a thread of the test."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Give the port on 127.0.0.1 where each connection is handed to ``serve``, in a thread of its own."""

    class Connection(socketserver.BaseRequestHandler):
        def handle(self) -> None:  # type: ignore[explicit-override]  # typing.override is not in Python 3.11
            serve(self.request)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Connection) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            port: int = server.socket.getsockname()[1]
            yield port
        finally:
            server.shutdown()
            thread.join()
