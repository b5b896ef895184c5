"""How a run is measured: nothing of the harness counts, nothing of the run is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.cpu import parse_stat, tree_seconds
from bench.running import RunFailedError, run

BURN = "import time\nwhile time.process_time() < 0.3: pass"
BURNT = 0.27
"""Seconds of it that are seen at the least: the kernel counts in hundredths, of users and system each."""


def test_a_run_takes_what_the_program_takes(tmp_path: Path) -> None:
    usage = run([sys.executable, "-c", BURN], directory=tmp_path, environment={})
    assert usage.cpu >= 0.3
    assert usage.wall >= 0.3


def test_the_memory_of_the_harness_is_not_the_programs(tmp_path: Path) -> None:
    large = bytearray(os.urandom(1 << 20) * 200)
    usage = run([sys.executable, "-S", "-c", "pass"], directory=tmp_path, environment={})
    assert usage.peak_bytes < len(large) // 2


def test_the_memory_of_the_program_is(tmp_path: Path) -> None:
    usage = run([sys.executable, "-S", "-c", "x = b'x' * (100 << 20)"], directory=tmp_path, environment={})
    assert 100 << 20 < usage.peak_bytes < 150 << 20


def test_a_run_that_fails_says_what_the_program_said(tmp_path: Path) -> None:
    with pytest.raises(RunFailedError, match="ended with 3:\nno such bucket"):
        run(
            [sys.executable, "-c", "import sys; print('no such bucket'); sys.exit(3)"],
            directory=tmp_path,
            environment={},
        )


def test_a_run_sees_no_settings_but_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody's")
    code = "import os, sys; sys.exit('AWS_ACCESS_KEY_ID' in os.environ or os.environ['OWN'] != 'x')"
    run([sys.executable, "-c", code], directory=tmp_path, environment={"OWN": "x"})


def test_the_cpu_of_a_tree_counts_children_that_live_and_that_have_ended() -> None:
    before = tree_seconds(os.getpid())
    subprocess.run([sys.executable, "-c", BURN], check=True)
    ended = tree_seconds(os.getpid())
    assert ended - before >= BURNT
    living = subprocess.Popen(
        [sys.executable, "-c", f"{BURN}\nprint(flush=True)\ninput()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert living.stdout is not None
    living.stdout.readline()
    assert tree_seconds(os.getpid()) - ended >= BURNT
    living.communicate(b"\n")


def test_a_process_may_have_any_name() -> None:
    fields = ["S", "7", *["0"] * 9, "100", "50", "30", "20", *["0"] * 30]
    process = parse_stat(f"42 (odd) name (x)) {' '.join(fields)}")
    ticks = os.sysconf("SC_CLK_TCK")
    assert (process.pid, process.parent) == (42, 7)
    assert (process.seconds, process.childrens_seconds) == (150 / ticks, 50 / ticks)
