"""Anchore works on under the old configuration while copies are made; then it is stopped, and ``apply`` finishes."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.anchore.config import Config, Localfs, Section, url_for
from tests.anchore.deployment import Deployment
from tests.anchore.documents import Document, Name
from tests.anchore.writer import Writer
from tests.cli import Cli
from tests.end_to_end.codes import DONE, FAILED
from tests.end_to_end.holding import Gate, locked, wait_until_held
from tests.end_to_end.migration import Migration, begin, few
from tests.end_to_end.test_matrix import PLACES
from tests.nursery import Rig

LATER = 1_700_000_500
"""Epoch seconds of what Anchore writes during a test."""
PACE = 0.005
"""Seconds between two steps."""
IN_MOTION = 3
"""Payloads that are written and whose rows are not yet."""
PAUSE = "executor.stopping:Stop.pause"
"""What copy and clean do before they look again at what may be in motion; called only when something may be."""


@dataclass
class Anchore:
    """Adds, rewrites and deletes documents until it is stopped: each payload some steps before its row."""

    writer: Writer
    documents: dict[Name, Document]
    """What there is, by the rows."""
    counter: Path
    """A file as long as the number of steps so far."""
    steps: int = 0
    _choice: random.Random = field(default_factory=lambda: random.Random(11))  # noqa: S311 - the same choices
    _begun: deque[tuple[Document, bytes]] = field(default_factory=deque)

    @property
    def rig(self) -> Rig:
        """Lets a run wait, wherever it gives a write time to settle, until what is in motion now has settled."""
        asked = {"counter": str(self.counter), "steps": IN_MOTION + 2}
        return Rig("tests.end_to_end.holding:pause_while_working", asked)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        self.counter.touch()
        stopped = threading.Event()
        faults: list[BaseException] = []

        def work() -> None:
            try:
                # At a pace that leaves some of the machine to the run.
                while not stopped.wait(PACE):
                    self.step()
                while self._begun:
                    self._end_one()
            except Exception as fault:  # noqa: BLE001 - raised by the thread that waits
                faults.append(fault)

        worker = threading.Thread(target=work)
        worker.start()
        try:
            yield
        finally:
            stopped.set()
            worker.join()
        assert not faults, faults

    def step(self) -> None:
        self.steps += 1
        with self.counter.open("a", encoding="utf-8") as counter:
            counter.write(".")
        busy = {document.name for document, _ in self._begun}
        document = self._choice.choice([one for name, one in self.documents.items() if name not in busy])
        match self._choice.randrange(5):
            case 0:
                self.writer.delete(document)
                del self.documents[document.name]
            case 1:
                self._begin_one(replace(document, archive_id=f"new {self.steps}", document_name=None))
            case _:
                self._begin_one(replace(document, content=document.content + b" and more"))
        if len(self._begun) > IN_MOTION:
            self._end_one()

    def _begin_one(self, document: Document) -> None:
        self._begun.append((document, self.writer.put_payload(document, at=LATER + self.steps)))

    def _end_one(self) -> None:
        document, payload = self._begun.popleft()
        self.writer.put_row(document, payload, at=LATER + self.steps)
        self.documents[document.name] = document


def between(deployment: Deployment, cli: Cli, source: str, destination: str, *, count: int = 8) -> Migration:
    old = Config(Section(PLACES[source](deployment, "old"), compress_above_kbytes=1))
    new = Config(Section(PLACES[destination](deployment, "new"), compress_above_kbytes=2))
    migration = begin(deployment, cli, old, new, documents=few(count))
    migration.plan()
    return migration


@pytest.mark.parametrize(("source", "destination"), [("db", "s3"), ("s3", "localfs"), ("localfs", "db2")], ids=str)
def test_copies_are_made_ahead_three_times_while_anchore_works(
    deployment: Deployment, cli: Cli, tmp_path: Path, source: str, destination: str
) -> None:
    before = between(deployment, cli, source, destination, count=24)
    anchore = Anchore(deployment.anchore(before.source), dict(before.expected.documents), tmp_path / "steps")
    with anchore.at_work():
        for _ in range(3):
            cli.run("apply", "plan.json", "--yes", "--through", "copy", rig=anchore.rig).must_end(DONE)
    assert anchore.steps > 20
    after = before.after_writes(anchore.documents.values())

    after.apply()

    after.assert_at_destination()


@pytest.mark.parametrize("source", PLACES)
def test_a_write_in_motion_is_waited_for(deployment: Deployment, cli: Cli, tmp_path: Path, source: str) -> None:
    """One payload is new and its row old, one is gone and its row not, and a file is written by half."""
    migration = between(deployment, cli, source, "s3" if source != "s3" else "db")
    rewritten, deleted, torn, *rest = migration.expected.documents.values()
    anchore = deployment.anchore(migration.source)
    newer, mended = (replace(one, content=b"newer " + one.content) for one in (rewritten, torn))
    payload = anchore.put_payload(newer)
    anchore.delete_payload(deleted)
    place = migration.source.object_store.place
    if isinstance(place, Localfs):
        Path(url_for(place, torn).removeprefix("file://")).write_bytes(mended.content[:3])
    gate = Gate(PAUSE, tmp_path)

    running = cli.start("apply", "plan.json", "--yes", rig=gate.rig)
    gate.wait_until_reached(running)
    anchore.put_row(newer, payload, at=LATER)
    anchore.delete_row(deleted)
    anchore.put(mended, at=LATER)
    gate.open()
    running.finish().must_end(DONE)

    migration.after_writes([newer, mended, *rest]).assert_at_destination()


def test_a_write_that_begins_as_the_last_look_is_taken_is_no_damage(
    deployment: Deployment, cli: Cli, tmp_path: Path
) -> None:
    """What one look finds in doubt has had no time to settle: it is left for the next run."""
    migration = between(deployment, cli, "db", "s3")
    first, second, *rest = migration.expected.documents.values()
    anchore = deployment.anchore(migration.source)
    newer = replace(first, content=b"newer")
    payload = anchore.put_payload(newer)
    gate = Gate(PAUSE, tmp_path, after=1)

    running = cli.start("apply", "plan.json", "--yes", "--through", "copy", rig=gate.rig)
    gate.wait_until_reached(running)
    anchore.put_row(newer, payload, at=LATER)
    anchore.put(replace(second, content=b"new"), at=LATER)
    newest = replace(second, content=b"newest")
    late = anchore.put_payload(newest)
    gate.open()
    running.finish().must_end(DONE)
    anchore.put_row(newest, late, at=LATER + 1)

    after = migration.after_writes([newer, newest, *rest])
    after.apply()
    after.assert_at_destination()


@pytest.mark.parametrize("content", [None, b"other"], ids=["the same content", "other content"])
def test_a_document_deleted_and_written_anew_in_the_same_second(migration: Migration, content: bytes | None) -> None:
    """Between copy and switch: by name, time and place it is the document that was copied."""
    migration.plan()
    migration.apply("plan.json", "--through", "copy")
    document, *rest = migration.expected.documents.values()
    anchore = migration.deployment.anchore(migration.source)
    anchore.delete(document)
    anew = document if content is None else replace(document, content=content)
    anchore.put(anew)
    after = migration.after_writes([anew, *rest])

    after.apply()

    after.assert_at_destination()


def test_a_payload_that_is_replaced_after_it_was_copied_while_its_row_stays_does_no_harm(migration: Migration) -> None:
    """The copy is what the row says; what lies at the source now is what nobody wrote by Anchore's rules."""
    migration.plan()
    migration.apply("plan.json", "--through", "copy")
    migration.deployment.anchore(migration.source).store_payload(migration.bundle, b"damaged since")

    migration.apply()

    migration.assert_at_destination()


def test_a_document_that_is_written_where_a_copy_stands_already_keeps_the_switch_shut(
    deployment: Deployment, cli: Cli
) -> None:
    """Prefixes have no slash of their own: what Anchore writes during the run can meet a copy that was made."""
    first = Document("policy_bundles", "policy", "x", b"the first")
    newer = Document("policy_bundles", "policy", "team-x", b"in its way")
    old, new = (Config(Section(deployment.s3(prefix=prefix))) for prefix in ("", "team-"))
    migration = begin(deployment, cli, old, new, documents=[first])
    migration.plan()
    with locked(deployment, "archive_metadata", "ROW EXCLUSIVE") as straggler:
        running = cli.start("apply", "plan.json", "--yes")
        wait_until_held(deployment, running, "archive_metadata")
        anchore = deployment.anchore(old)
        anchore.put_row(newer, anchore.put_payload(newer), at=LATER, within=straggler)
        straggler.commit()
        said = running.finish().must_end(FAILED)

    assert "another document's payload" in said.stderr
    assert deployment.reader(old).reads_all({one.name: one for one in (first, newer)})
