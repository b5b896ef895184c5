"""Dies at every point of a run, one after the other, and lets an outside auditor look at each death and its end."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from tests.anchore import audit
from tests.anchore.config import url_for
from tests.anchore.snapshot import Snapshot, differences
from tests.crash.effects import KILLED, WRITING, Side
from tests.crash.scene import Scene, outcome, remembered
from tests.end_to_end.migration import Migration
from tests.nursery import Rig

UNNAMED = re.compile(r"/restow_probe/|/\.[0-9a-f]{32}\.json\.restow\b")
"""In URLs that no document has: of probes, and of files before they get their name. A dead run may leave these."""

FIRST: tuple[int, Side] = (1, "before")


@dataclass(frozen=True)
class Ended:
    """How a run ended and what it did until then."""

    code: int
    stderr: str
    effects: tuple[str, ...]


@dataclass(frozen=True)
class Command:
    """A command to die in, from the deployment as it is now to where it must end whatever happened."""

    migration: Migration
    words: tuple[str, ...]
    assert_ended: Callable[[], None]
    jobs: int = 1
    """With one worker effects come in one order."""

    def run(self, die: tuple[int, Side] | None = None) -> Ended:
        """Run, and die before or after so many effects."""
        ended = self.migration.cli.run(*self.arguments, rig=self.rig(die))
        return Ended(ended.code, ended.stderr, tuple(self._log.read_text(encoding="utf-8").splitlines()))

    @property
    def arguments(self) -> tuple[str, ...]:
        return (*self.words, "--yes", "--jobs", str(self.jobs), "--no-progress")

    def rig(self, die: tuple[int, Side] | None, *, halt: bool = False) -> Rig:
        deployment = self.migration.deployment
        watched = [str(path) for path in (deployment.root, *deployment._directories)]
        asked = {"log": str(self._log), "die": die, "directories": watched, "halt": halt}
        return Rig("tests.crash.effects:rig", asked)

    @property
    def _log(self) -> Path:
        return self.migration.deployment.root.parent / "effects"

    def resume(self) -> None:
        """Run as after any other death: with nothing known of it."""
        ended = self.run()
        assert ended.code == 0, f"the same command again ended with {ended.code}\n{ended.stderr[-3000:]}"


def die_everywhere(command: Command, administrator: sa.Engine, *, every: bool) -> tuple[str, ...]:
    """Die at every point of the command, in a deployment that is put back after each death; return its effects.

    ``every``: before and after each effect. Else between any two that others can see: a transaction is one, and dies
    with its last statement done and nothing committed.
    """
    with remembered(command.migration.deployment, administrator) as scene:
        effects: tuple[str, ...] = ()
        for point in _deaths(command, scene, lambda effects: moments(effects, every=every)):
            effects = point.effects
            with told(point.said):
                _end_as(command, point.end)
    return effects


def die_twice(command: Command, administrator: sa.Engine, *, apart: int) -> None:
    """Die at moments so many ``apart``, and after each of these deaths at every point of the run that goes on."""
    deployment = command.migration.deployment
    with remembered(deployment, administrator) as scene:
        for first in _deaths(command, scene, lambda effects: list(moments(effects, every=False))[apart // 2 :: apart]):
            with told(first.said), remembered(deployment, administrator) as dead:
                for second in _deaths(command, dead, lambda effects: moments(effects, every=False)):
                    with told(second.said):
                        _end_as(command, first.end)


@dataclass(frozen=True)
class Death:
    said: str
    end: Mapping[str, list[str]]
    """What a run that nobody killed had come to."""
    effects: tuple[str, ...]
    """What that one did."""


def _deaths(
    command: Command, scene: Scene, choose: Callable[[Sequence[str]], Iterable[tuple[int, Side]]]
) -> Iterator[Death]:
    """Run to the end once; then die at each of the moments chosen, audited, and yield the dead deployment."""
    clean = command.run()
    assert clean.code == 0, clean.stderr
    command.assert_ended()
    end = outcome(scene.deployment)
    for moment in choose(clean.effects):
        number, side = moment
        point = f"dead {side} effect {number} of {len(clean.effects)}, {clean.effects[number - 1]}"
        scene.restore()
        with told(point):
            _die(command, scene, clean.effects, moment)
        yield Death(point, end, clean.effects)


def _end_as(command: Command, end: Mapping[str, list[str]]) -> None:
    command.resume()
    command.assert_ended()
    assert outcome(command.migration.deployment) == end


def moments(effects: Sequence[str], *, every: bool) -> Iterator[tuple[int, Side]]:
    for number, label in enumerate(effects, start=1):
        if every or not WRITING.match(label) or number == 1:
            yield number, "before"
        # A file is opened and then filled, which is no effect of its own: only here it is seen empty.
        if every or number == len(effects) or label.startswith("open "):
            yield number, "after"


def _die(command: Command, scene: Scene, effects: Sequence[str], die: tuple[int, Side]) -> None:
    deployment = command.migration.deployment
    untouched = deployment.snapshot() if die == FIRST else None
    ended = command.run(die)
    assert ended.code == KILLED, f"never came to it, ended with {ended.code}\n{ended.stderr[-3000:]}"
    assert ended.effects == tuple(effects[: die[0]]), "another run than the first"
    scene.wait_for_orphans()
    now = deployment.snapshot()
    if untouched is not None:
        assert differences(untouched, now) == []
    assert_sound(command.migration, scene, now)


@contextmanager
def told(point: str) -> Iterator[None]:
    try:
        yield
    except AssertionError as error:
        error.add_note(point)
        raise


def assert_sound(migration: Migration, scene: Scene, now: Snapshot) -> None:
    """Check what must hold at every moment."""
    assert_whole(migration, scene, now)
    assert_known(scene, now)


def assert_whole(migration: Migration, scene: Scene, now: Snapshot) -> None:
    """All rows are on one side, the configuration of that side reads every document, and what is stored is whole.

    Copies that were made ahead, of documents that have changed or gone since, may stand until a run has come to them.
    """
    documents = migration.expected.documents
    reading = [
        config
        for config in (migration.source, migration.destination)
        if all(
            now.rows[name]["content_url"] == url_for(config.section(document.store).place, document)
            for name, document in documents.items()
        )
    ]
    assert len(reading) == 1, f"rows are on {len(reading)} sides as a whole"
    assert migration.deployment.reader(reading[0]).reads_all(documents), "a document cannot be read"
    configs = (migration.source, migration.destination)
    outdated, faults = (
        audit.audit_under_way(migration.expected, moment, stores=migration.stores, configs=configs)
        for moment in (scene.before, now)
    )
    faults = [fault for fault in faults if fault not in outdated and not UNNAMED.search(fault)]
    assert not faults, "\n".join(faults)


def assert_known(scene: Scene, now: Snapshot) -> None:
    """Every payload that the run has made stands in the journal, or else nobody would ever remove it."""
    made = {url for url in now.payloads.keys() - scene.before.payloads.keys() if not UNNAMED.search(url)}
    named = {row["content_url"] for row in now.rows.values()}
    with scene.deployment.engine.connect() as connection:
        known = set()
        if connection.execute(sa.text("SELECT to_regclass('restow.copy') IS NOT NULL")).scalar_one():
            known = set(connection.execute(sa.text("SELECT new_url FROM restow.copy")).scalars())
    assert made <= named | known, f"not in the journal: {sorted(made - named - known)}"
