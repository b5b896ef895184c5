"""Timed runs of programs: wall time, CPU and peak memory of the process, whatever program it is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
LONGEST_SECONDS = 1500
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TMPDIR")
"""All others could change what a tool does: proxies, credentials, its own settings."""


class RunFailedError(RuntimeError):
    """A program ended with another exit code than 0; carries the end of what it said."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one run took; seconds and bytes."""

    wall: float
    """From its start to its end: of a Python program with the start of Python."""
    cpu: float
    """User and system, of the program alone."""
    peak_bytes: int
    """Largest resident set."""


def run(command: Sequence[str | Path], *, directory: Path, environment: Mapping[str, str]) -> Usage:
    """Run a program to its end. Raises RunFailedError, also when it takes longer than ``LONGEST_SECONDS``."""
    log = directory / "run.log"
    log.unlink(missing_ok=True)
    words = [str(word) for word in command]
    launcher = subprocess.Popen(
        [sys.executable, "-S", "-E", "-m", "bench.launch", str(log), str(directory), *words],
        cwd=ROOT,
        env={**clean_environment(directory), **environment},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        said, _ = launcher.communicate(timeout=LONGEST_SECONDS)
    except BaseException:
        os.killpg(launcher.pid, signal.SIGKILL)
        launcher.wait()
        raise
    taken = json.loads(said)
    if taken["exit_code"] != 0:
        tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise RunFailedError(f"{' '.join(words[:3])} … ended with {taken['exit_code']}:\n{tail}")
    return Usage(taken["wall"], taken["cpu"], taken["peak_bytes"])


def clean_environment(home: Path) -> dict[str, str]:
    """Return an environment in which no tool finds settings of this machine."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return {**kept, "HOME": str(home)}
