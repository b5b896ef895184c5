"""restow as a contestant: the installed command, on configs and plans written for one run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contestants import BIN, Measured, require
from bench.places import Bucket, Place, write_config
from bench.running import Usage, run
from bench.samples import Sample
from bench.servers import Servers

PLAN = "plan.json"


@dataclass(frozen=True)
class Move:
    """All documents of a database, from one place to another."""

    database: str
    source: Place
    destination: Place
    documents: int
    bytes: int
    keep_source: bool = True
    compressed: bool = False
    """At the destination."""

    @property
    def far(self) -> bool:
        return any(isinstance(place, Bucket) and place.far for place in (self.source, self.destination))


def restow(words: Sequence[str], directory: Path) -> Usage:
    """Run the program that is installed beside this Python. Raises RunFailedError."""
    return run([BIN / "restow", *words], directory=directory, environment={})


def apply(servers: Servers, move: Move, jobs: int) -> Sample:
    """Time one ``restow apply``, with the start of Python: copy, verify, switch, and clean unless sources are kept.

    The plan is made before, as a reviewer would have had it. Raises RunFailedError or WrongOutcomeError.
    """
    directory = write_plan(servers, move)
    measured = Measured(servers, far=move.far)
    report = directory / "report.json"
    words = ("--no-progress", "apply", PLAN, "--yes", "--jobs", str(jobs), "--report", str(report))
    usage = restow(words, directory)
    return measured.sample(move.documents, move.bytes, usage, stage_seconds(report))


def copy(servers: Servers, move: Move, jobs: int) -> Sample:
    """Do as ``apply``, and look whether everything has arrived."""
    sample = apply(servers, move, jobs)
    require(servers, move.database, move.destination, move.documents)
    return sample


def write_plan(servers: Servers, move: Move) -> Path:
    """Write both configs and the plan of a move into a directory, and return it."""
    directory = write_configs(servers, move)
    restow(plan_words(keep_source=move.keep_source), directory)
    return directory


def write_configs(servers: Servers, move: Move) -> Path:
    directory = servers.directory / "restow"
    directory.mkdir(exist_ok=True)
    write_config(servers, directory / "config.yaml", move.database, move.source)
    write_config(servers, directory / "dest-config.yaml", move.database, move.destination, compressed=move.compressed)
    return directory


def plan_words(*, keep_source: bool) -> tuple[str, ...]:
    flags = ("--keep-source",) if keep_source else ()
    return ("plan", "config.yaml", "dest-config.yaml", "-o", PLAN, *flags)


def stage_seconds(report: Path) -> dict[str, float]:
    """Return the seconds of each stage in a report, added up over its moves."""
    seconds: dict[str, float] = {}
    for move in json.loads(report.read_text(encoding="utf-8"))["moves"]:
        for one in move["stages"]:
            seconds[one["stage"]] = seconds.get(one["stage"], 0.0) + one["seconds"]
    return seconds
