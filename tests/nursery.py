"""Runs of the program in children of a process that has imported everything and has no threads.

``python -m tests.nursery`` takes requests on stdin, a JSON object a line. For each it forks a guardian, which forks the
run, tells its process number and, when it has ended, its exit code. A run is what the console script runs; it only
starts most of a second sooner, which makes the difference between a suite that is run and one that is not.
"""

from __future__ import annotations

import functools
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
import botocore.loaders

import restow.main

ROOT = Path(__file__).parents[1]
MODULES = (
    *("restow.applying", "restow.checking", "restow.inspecting", "restow.planning", "restow.progress_view"),
    *("restow.signals", "executor.apply", "executor.audit", "executor.check", "executor.clean_later"),
    *("executor.rehearsal", "executor.status_text", "executor.snippet", "executor.status", "executor.undo"),
    *("planner.build", "planner.load", "planner.read_plan", "planner.render_markdown", "planner.render_text"),
    *("planner.snippet", "planner.vendor"),
    *("stores.db", "stores.db2", "stores.s3", "stores.localfs", "sqlalchemy.dialects.postgresql.pg8000"),
)
"""What commands import when they run."""


@dataclass(frozen=True)
class Rig:
    """A function that is called in the process of a run right before it begins, to put a fault in its way."""

    function: str
    """``module:name``"""
    arguments: Mapping[str, Any]
    """JSON."""


@dataclass
class Process:
    """A run that was started; speaks the words of ``subprocess.Popen``."""

    pid: int
    _status: int
    """The pipe on which the guardian tells the exit code."""
    returncode: int | None = field(default=None, init=False)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code, negative: the signal that ended it. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            line = _line(self._status, timeout)
            if line is None:
                raise subprocess.TimeoutExpired("restow", timeout or 0)
            os.close(self._status)
            self.returncode = int(line)
        return self.returncode

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


@dataclass(frozen=True)
class Nursery:
    _server: subprocess.Popen[str]
    _pipes: Path

    def start(
        self,
        arguments: Sequence[str],
        *,
        directory: Path,
        environment: Mapping[str, str],
        stdin: str = os.devnull,
        stdout: str = os.devnull,
        stderr: str = os.devnull,
        rig: Rig | None = None,
    ) -> Process:
        """Start a run in ``directory``. The last three are paths: of files, pipes, devices or a terminal."""
        pipe = self._pipes / "status"
        os.mkfifo(pipe)
        status = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        request = {
            "arguments": list(arguments),
            "directory": str(directory),
            "environment": dict(environment),
            "streams": [stdin, stdout, stderr],
            "status": str(pipe),
            "rig": [rig.function, dict(rig.arguments)] if rig else None,
        }
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        number = _line(status, 60)
        assert number is not None, "the nursery has ended"
        pipe.unlink()
        return Process(int(number), status)


@contextmanager
def nursery() -> Iterator[Nursery]:
    with (
        tempfile.TemporaryDirectory(prefix="restow-nursery-") as pipes,
        subprocess.Popen([sys.executable, "-m", "tests.nursery"], stdin=subprocess.PIPE, text=True, cwd=ROOT) as server,
    ):
        yield Nursery(server, Path(pipes))
        assert server.stdin is not None
        server.stdin.close()


def _line(pipe: int, timeout: float | None) -> str | None:
    """Return the next line without its end, or None when none comes in time."""
    deadline = None if timeout is None else time.monotonic() + timeout
    line = b""
    while not line.endswith(b"\n"):
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        ready, _, _ = select.select([pipe], [], [], left)
        if not ready:
            return None
        # A byte at a time: what follows is the next line's.
        line += os.read(pipe, 1)
    return line.decode().strip()


def serve() -> None:
    """Answer requests until stdin ends; in a run, return never: the program ends it."""
    run = _program()
    threads = os.listdir("/proc/self/task")  # noqa: PTH208 - names, not paths
    assert len(threads) == 1, "a fork would lose the other threads"
    # Guardians that have ended are nobody's business.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    for line in sys.stdin:
        if os.fork() == 0:
            _guard(json.loads(line), run)


def _guard(request: dict[str, Any], run: Callable[[], None]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    status = os.open(request["status"], os.O_WRONLY)
    child = os.fork()
    if child == 0:
        os.close(status)
        _become(request)
        run()
        raise AssertionError("the program returned")
    os.write(status, f"{child}\n".encode())
    for number in (0, 1, 2):
        os.close(number)
    _, ended = os.waitpid(child, 0)
    # Nobody may be left to be told.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.write(status, f"{os.waitstatus_to_exitcode(ended)}\n".encode())
    os._exit(0)


def _program() -> Callable[[], None]:
    """Return what the console script calls, once all that a run imports and reads from its packages is in memory."""
    for module in MODULES:
        importlib.import_module(module)
    load = botocore.loaders.JSONFileLoader.load_file
    known = functools.cache(lambda path: load(botocore.loaders.JSONFileLoader(), path))
    patch.object(botocore.loaders.JSONFileLoader, "load_file", lambda _, path: known(path)).start()
    boto3.client("s3", region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none").close()
    return restow.main.run


def _become(request: dict[str, Any]) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    sys.argv = ["restow", *request["arguments"]]
    modes = (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)
    for number, (path, mode) in enumerate(zip(request["streams"], modes, strict=True)):
        stream = os.open(path, mode | os.O_NOCTTY)
        os.dup2(stream, number)
        os.close(stream)
    # As an interpreter makes them when it starts, by what they are connected to.
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    if request["rig"]:
        function, arguments = request["rig"]
        pkgutil.resolve_name(function)(**arguments)


if __name__ == "__main__":
    serve()
