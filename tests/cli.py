"""Runs the program as its users do, and searches all that it leaves behind for secrets (invariant I9)."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.anchore import canaries
from tests.anchore.deployment import Deployment
from tests.nursery import Nursery, Process, Rig

PROGRAM = Path(sys.executable).parent / "restow"
TIMEOUT = 240.0
"""Seconds after which a run is hanging."""
FOREIGN_VARIABLES = ("ANCHORE", "AWS_", "RESTOW_", "PYTEST", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CI")


@dataclass(frozen=True)
class Result:
    arguments: tuple[str, ...]
    code: int
    """Negative: killed by that signal."""
    stdout: str
    stderr: str

    def must_end(self, code: int) -> Result:
        """Fail, showing what was said, unless the exit code is this one."""
        said = f"--- stdout\n{self.stdout[-3000:]}\n--- stderr\n{self.stderr[-3000:]}"
        assert self.code == code, f"restow {' '.join(self.arguments)} → {self.code}, not {code}\n{said}"
        return self


@dataclass
class Running:
    """A run that was started and not waited for."""

    process: Process
    _arguments: tuple[str, ...]
    _outputs: tuple[Path, Path]
    _cli: Cli
    searched: bool = False
    """Whether ``finish`` has looked for secrets in what it left behind."""

    def ended_within(self, seconds: float) -> bool:
        try:
            self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> Result:
        """Kill it as ``kill -9`` does, and return what it said until then."""
        self.process.kill()
        return self.finish()

    def finish(self, timeout: float = TIMEOUT) -> Result:
        self.process.wait(timeout=timeout)
        stdout, stderr = (path.read_text(encoding="utf-8", errors="replace") for path in self._outputs)
        for path in self._outputs:
            path.unlink()
        result = Result(self._arguments, self.process.wait(), stdout, stderr)
        self.searched = True
        self._cli.search(result)
        return result


@dataclass
class Cli:
    """The program in the directory of one deployment. Each run is searched for secrets when it ends."""

    deployment: Deployment
    nursery: Nursery
    secret_files: list[Path] = field(default_factory=list)
    """Files that may hold secrets besides the configs, such as the one of ``--snippet``."""
    _started: list[Running] = field(default_factory=list)

    def run(
        self,
        *arguments: str | Path,
        env: Mapping[str, str] | None = None,
        input: str | None = None,  # noqa: A002 - the word of subprocess.run
        timeout: float = TIMEOUT,
        cwd: Path | None = None,
        rig: Rig | None = None,
    ) -> Result:
        """Run to the end. Without ``input`` there is nothing to read on stdin; it is no terminal either way."""
        stdin = os.devnull
        if input is not None:
            stdin = str(self._output("stdin"))
            Path(stdin).write_text(input, encoding="utf-8")
        return self._start(arguments, env, stdin=stdin, cwd=cwd, rig=rig).finish(timeout)

    def start(
        self,
        *arguments: str | Path,
        env: Mapping[str, str] | None = None,
        stdout: str | None = None,
        stderr: str | None = None,
        rig: Rig | None = None,
    ) -> Running:
        """Start a run without a terminal and return at once. What still runs when the test ends is killed.

        ``stdout`` and ``stderr``: paths to write to, in place of files whose content ``finish`` returns.
        """
        return self._start(arguments, env, stdout=stdout, stderr=stderr, rig=rig)

    def answer(self, *arguments: str | Path, reply: str, env: Mapping[str, str] | None = None) -> Result:
        """Run with a terminal as stdin and stderr, on which ``reply`` is typed."""
        with _terminal(reply) as (terminal, shown):
            running = self._start(arguments, env, stdin=os.ttyname(terminal), stderr=os.ttyname(terminal))
            running.process.wait(timeout=TIMEOUT)
        result = running.finish()
        said = Result(result.arguments, result.code, result.stdout, "".join(shown))
        self.search(said)
        return said

    def close(self) -> None:
        """Kill what still runs, and search what nobody has waited for."""
        for running in self._started:
            if running.process.poll() is None:
                running.process.kill()
            if not running.searched:
                running.finish()

    def search(self, result: Result) -> None:
        """Fail when a canary stands in the output, in a file that is no config or in its name, or in the journal."""
        said = {"stdout": result.stdout, "stderr": result.stderr}
        allowed = {path.resolve() for path in (*self.deployment.configs, *self.secret_files)}
        for path in self.deployment.root.rglob("*"):
            if path.is_file() and path.resolve() not in allowed:
                name = str(path.relative_to(self.deployment.root))
                said[name] = f"{name}\n{path.read_text(encoding='utf-8', errors='replace')}"
        said |= {table: "\n".join(rows) for table, rows in self.deployment.journal_text().items()}
        hits = [f"{where}: {canary}" for where, text in said.items() for canary in canaries.found_in(text)]
        assert not hits, f"secrets came out of {result.arguments}: {hits}"

    def _start(
        self,
        arguments: Sequence[str | Path],
        env: Mapping[str, str] | None,
        *,
        stdin: str = os.devnull,
        stdout: str | None = None,
        stderr: str | None = None,
        cwd: Path | None = None,
        rig: Rig | None = None,
    ) -> Running:
        words, outputs = _words(arguments), (self._output("stdout"), self._output("stderr"))
        process = self.nursery.start(
            words,
            directory=cwd or self.deployment.root,
            environment=self.environment(env),
            stdin=stdin,
            stdout=stdout or str(outputs[0]),
            stderr=stderr or str(outputs[1]),
            rig=rig,
        )
        running = Running(process, words, outputs, self)
        self._started.append(running)
        return running

    def _output(self, kind: str) -> Path:
        handle, path = tempfile.mkstemp(prefix=f"{kind}-", dir=self._home("outputs"))
        os.close(handle)
        return Path(path)

    def environment(self, extra: Mapping[str, str] | None) -> dict[str, str]:
        """The caller's environment without what belongs to Anchore, AWS or this run; home and temporary files here."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN_VARIABLES)}
        return {**kept, "HOME": self._home("home"), "TMPDIR": self._home("tmp"), "TERM": "dumb", **(extra or {})}

    def _home(self, name: str) -> str:
        path = self.deployment.root / ".process" / name
        path.mkdir(parents=True, exist_ok=True)
        return str(path)


def _words(arguments: Sequence[str | Path]) -> tuple[str, ...]:
    return tuple(str(argument) for argument in arguments)


@contextmanager
def _terminal(reply: str) -> Iterator[tuple[int, list[str]]]:
    """Give a pseudo-terminal with ``reply`` typed ahead, and what is shown on it once the block has ended."""
    master, slave = pty.openpty()
    shown: list[str] = []

    def listen() -> None:
        while True:
            try:
                said = os.read(master, 4096)
            except OSError:  # how Linux says that the last user closed it
                return
            if not said:
                return
            shown.append(said.decode(errors="replace"))

    os.write(master, reply.encode())
    listener = threading.Thread(target=listen)
    listener.start()
    try:
        yield slave, shown
    finally:
        os.close(slave)
        listener.join(timeout=10)
        os.close(master)
