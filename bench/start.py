"""What the program costs before it does anything."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from bench import restow_runs
from bench.contestants import Measured
from bench.places import Bucket, Table
from bench.restow_runs import Move
from bench.samples import Sample
from bench.scene import Contestants, Scene

COMMANDS = {"restow --help": ("--help",), "restow show": ("show", restow_runs.PLAN)}


@contextlib.contextmanager
def commands(scene: Scene) -> Iterator[Contestants]:
    """Run the commands that need neither database nor S3."""
    servers = scene.servers
    with servers.anchore_database("empty") as database:
        directory = restow_runs.write_plan(servers, Move(database, Table("db"), Bucket("to"), 0, 0))

        def timed(words: tuple[str, ...]) -> Callable[[], Sample]:
            def once() -> Sample:
                measured = Measured(servers)
                return measured.sample(1, 0, restow_runs.restow(words, directory))

            return once

        yield {name: timed(words) for name, words in COMMANDS.items()}
