"""Runs of the program in children of a process that has imported everything and has no threads.

``python -m tests.crash.nursery`` takes requests on stdin, a JSON object a line, and answers each with the exit code of
its child. A child runs what the console script runs; it only starts some hundred milliseconds sooner.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
import botocore.loaders

import restow.main
from tests.crash.effects import Effects, Side, watch

ROOT = Path(__file__).parents[2]
MODULES = (
    *("restow.applying", "restow.progress_view", "restow.signals", "executor.apply", "executor.undo"),
    *("executor.clean_later", "executor.snippet", "planner.load", "planner.read_plan", "planner.snippet"),
    *("stores.db", "stores.db2", "stores.s3", "stores.localfs", "sqlalchemy.dialects.postgresql.pg8000"),
)
"""What commands import when they run."""


@dataclass(frozen=True)
class Ended:
    """How a run ended and what it did until then."""

    code: int
    stdout: str
    stderr: str
    effects: tuple[str, ...]


@dataclass(frozen=True)
class Nursery:
    _process: subprocess.Popen[str]

    def run(
        self,
        arguments: Sequence[str],
        *,
        directory: Path,
        environment: Mapping[str, str],
        watched: Sequence[Path],
        die: tuple[int, Side] | None = None,
    ) -> Ended:
        """Run in ``directory``, and die there before or after so many effects; count those to files in ``watched``."""
        outputs = {name: str(directory.parent / f"crash-{name}") for name in ("stdout", "stderr", "effects")}
        request = {
            "arguments": list(arguments),
            "directory": str(directory),
            "environment": dict(environment),
            "watched": [str(path) for path in watched],
            "die": die,
            **outputs,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the nursery has ended"
        said = {name: Path(path).read_text(encoding="utf-8") for name, path in outputs.items()}
        return Ended(int(answer), said["stdout"], said["stderr"], tuple(said["effects"].splitlines()))


@contextmanager
def nursery() -> Iterator[Nursery]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.crash.nursery"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        yield Nursery(process)
        assert process.stdin is not None
        process.stdin.close()


def serve() -> None:
    """Answer requests until stdin ends; in a child, return never: the program ends it."""
    run = _program()
    threads = os.listdir("/proc/self/task")  # noqa: PTH208 - names, not paths
    assert len(threads) == 1, "a fork would lose the other threads"
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become(json.loads(line))
            run()
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


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
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["restow", *request["arguments"]]
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    new = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(request[name], new, 0o600), number)
    log = os.open(request["effects"], new, 0o600)
    die = tuple(request["die"]) if request["die"] else None
    watch(Effects(log, die), [Path(path) for path in request["watched"]])


if __name__ == "__main__":
    serve()
