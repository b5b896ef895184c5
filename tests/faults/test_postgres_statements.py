"""The connection breaks at every statement and every commit of a run, which goes on or ends in order.

Whatever happened, in the end there is one round, one task, and what the auditor finds after a clean run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.anchore import corpus
from tests.anchore.deployment import Deployment
from tests.anchore.documents import Document
from tests.cli import Cli, Result
from tests.crash.points import told
from tests.crash.scene import Scene, outcome, remembered
from tests.end_to_end.codes import DONE, FAILED
from tests.end_to_end.migration import Migration
from tests.faults.pg_migration import planned
from tests.faults.pg_rigs import COMMIT, Kind
from tests.nursery import Rig

SWITCH = f"{COMMIT} of LOCK TABLE archive_metadata"
LOCK_SESSION = re.compile(r"SELECT a\.pid|pg_advisory_unlock")
"""What is sent on the connection that holds the lock: it cannot be had again."""
IN_THE_SWITCH = re.compile(
    r"SET LOCAL|SHARE ROW EXCLUSIVE|^WITH (moved|restored)|AS left|AS documents FROM"
    r"|INTO (tasks|archive_m|restow\.task)|SELECT %s, bucket|^UPDATE archive_metadata"
    r"|^DELETE FROM restow.copy WHERE route = %s$"
)
"""What is sent in the transaction of the switch, or of its undoing: it is tried five times in a run."""

Command = tuple[str, ...]
Points = Callable[[list[str]], Iterator[tuple[int, Kind]]]
"""Chooses among the statements of a run, by their labels, numbered from one."""
APPLY: Command = ("apply", "plan.json")
UNDO: Command = ("undo", "plan.json")
CLEAN: Command = ("clean", "plan.json")


def documents() -> tuple[Document, ...]:
    return (*corpus.ordinary(seed=31, count=2, largest=4000), *corpus.archived(seed=31, count=1, largest=4000))


@pytest.fixture
def migration(deployment: Deployment, cli: Cli) -> Migration:
    return planned(deployment, cli, documents())


@dataclass(frozen=True)
class Case:
    """A command, the deployment that it begins with, and where it must end."""

    command: Command
    migration: Migration
    assert_ended: Callable[[], None]

    def run(self, function: str = "strike_once", **arguments: object) -> Result:
        """Run it with one worker, so that statements come in one order."""
        rig = Rig(f"tests.faults.pg_rigs:{function}", {"log": str(self._log), **arguments})
        return self.migration.cli.run(*self.command, "--yes", "--jobs", "1", "--no-progress", rig=rig)

    @property
    def labels(self) -> list[str]:
        """What the last run has sent."""
        return [line.partition(" ")[2] for line in self._lines()]

    @property
    def struck(self) -> list[str]:
        """What met a fault in the last run."""
        return [label for kind, _, label in (line.partition(" ") for line in self._lines()) if kind != "well"]

    @property
    def _log(self) -> Path:
        return self.migration.deployment.root.parent / "statements"

    def _lines(self) -> list[str]:
        return self._log.read_text(encoding="utf-8").splitlines()


def apply_case(migration: Migration) -> Case:
    return Case(APPLY, migration, migration.assert_at_destination)


def undo_case(migration: Migration) -> Case:
    """Some rows are put back, and one that was written since the switch is copied back."""
    migration.apply("plan.json", "--through", "switch")
    new = replace(documents()[0], archive_id="written since")
    migration.deployment.anchore(migration.destination).put(new)
    later = migration.after_writes((*documents(), new))
    kept = (migration.destination,)
    return Case(UNDO, later, lambda: later.assert_at_source(leftovers=kept))


def clean_case(migration: Migration) -> Case:
    """The copies that an undone round has left."""
    migration.apply("plan.json", "--through", "switch")
    migration.cli.run("undo", "plan.json", "--yes").must_end(DONE)
    return Case(CLEAN, migration, migration.assert_at_source)


CASES = {"apply": apply_case, "undo": undo_case, "clean after undo": clean_case}


def break_at(case: Case, administrator: sa.Engine, wanted: Points) -> None:
    """Break the connection at each wanted statement, in a deployment that is put back after each."""
    deployment = case.migration.deployment
    with remembered(deployment, administrator) as scene:
        case.run().must_end(DONE)
        case.assert_ended()
        end, labels = outcome(deployment), case.labels
        points = list(wanted(labels))
        assert points
        for number, kind in points:
            scene.restore()
            with told(f"{kind} at {number} of {len(labels)}: {labels[number - 1][:150]}"):
                _break(case, scene, (number, kind), end)


def _break(case: Case, scene: Scene, point: tuple[int, Kind], end: Mapping[str, list[str]]) -> None:
    ended = case.run(at=point)
    (struck,) = case.struck
    if ended.code != DONE:
        ended.must_end(FAILED)
        assert LOCK_SESSION.search(struck), ended.stderr
        assert "lock was lost" in ended.stderr
        assert "Traceback" not in ended.stderr
        scene.wait_for_orphans()
        case.run().must_end(DONE)
    case.assert_ended()
    assert outcome(case.migration.deployment) == end


def lost_commits(labels: list[str]) -> Iterator[tuple[int, Kind]]:
    """Give the first of each kind of commit: the server has done it, and the answer does not come."""
    seen: set[str] = set()
    for number, label in enumerate(labels, start=1):
        if label.startswith(f"{COMMIT} of") and not label.endswith("nothing") and label not in seen:
            seen.add(label)
            yield number, "lost"


def lost_commits_of_undo(labels: list[str]) -> Iterator[tuple[int, Kind]]:
    """Give those that ``apply`` has not."""
    wanted = (number for number, _ in lost_commits(labels) if "LOCK TABLE" in labels[number - 1])
    yield from ((number, "lost") for number in wanted)


def everything(labels: list[str]) -> Iterator[tuple[int, Kind]]:
    for number in range(1, len(labels) + 1):
        yield number, "ended"
        yield number, "lost"


@pytest.mark.parametrize(
    ("case", "wanted"), [("apply", lost_commits), ("undo", lost_commits_of_undo)], ids=["apply", "undo"]
)
def test_a_lost_answer_to_a_commit_makes_nothing_twice(
    migration: Migration, administrator: sa.Engine, case: str, wanted: Points
) -> None:
    break_at(CASES[case](migration), administrator, wanted)


@pytest.mark.long
@pytest.mark.parametrize("case", CASES)
def test_every_statement_of(migration: Migration, administrator: sa.Engine, case: str) -> None:
    break_at(CASES[case](migration), administrator, everything)


@pytest.mark.parametrize(("case", "kind"), [("apply", "lost"), ("undo", "cut"), ("clean after undo", "ended")])
def test_faults_at_all_kinds_of_statements_of_one_run_are_outlived(migration: Migration, case: str, kind: Kind) -> None:
    """Each meets one the first time that it is sent, but for those on the connection that holds the lock."""
    begun = CASES[case](migration)
    patient = replace(begun, command=(*begun.command, "--db-retries", "30"))
    patient.run("strike_each", kind=kind, only=f"^(?!.*({LOCK_SESSION.pattern}|{IN_THE_SWITCH.pattern}))").must_end(
        DONE
    )
    assert len(begun.struck) > 20
    begun.assert_ended()
    assert len(outcome(migration.deployment)["rounds"]) == 1


def test_a_switch_whose_answer_is_lost_is_reported_as_what_it_was(migration: Migration) -> None:
    case = apply_case(migration)
    said = case.run("strike_each", kind="lost", only=SWITCH).must_end(DONE)

    assert case.struck
    assert said.stdout
    switched = next(stage for stage in report(migration)["moves"][0]["stages"] if stage["stage"] == "switch")
    assert switched["documents"] == len(documents())


@pytest.mark.parametrize("command", [APPLY, UNDO], ids=["apply", "undo"])
def test_3_whether_it_was_committed_is_not_known(migration: Migration, command: Command) -> None:
    """The database does it and does not come back: nothing may be claimed then, and the next run finds out."""
    if command == UNDO:
        migration.apply("plan.json", "--through", "switch")
    case = Case(command, migration, lambda: None)
    said = case.run("lose_for_good", pattern=SWITCH).must_end(FAILED)

    assert "not known" in said.stderr
    assert "leave Anchore stopped" in said.stderr
    assert not said.stdout
    assert "not known" in report(migration)["outcome"]
    assert migration.cli.run(*command, "--yes").must_end(DONE).stdout
    if command == APPLY:
        migration.assert_at_destination()
    else:
        migration.assert_at_source(leftovers=(migration.destination,))
    assert len(tasks(migration.deployment)) == (2 if command == UNDO else 1)


def report(migration: Migration) -> Any:
    return json.loads((migration.deployment.root / "plan.report.json").read_text(encoding="utf-8"))


def tasks(deployment: Deployment) -> Collection[int]:
    with deployment.engine.connect() as connection:
        return connection.execute(sa.text("SELECT id FROM archive_migration_tasks")).scalars().all()
