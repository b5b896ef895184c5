"""Names and values reach PostgreSQL as parameters only: no statement holds any, and none is taken for SQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.anchore.config import Config, Db, Db2, Localfs, Place, Section
from tests.anchore.deployment import Deployment
from tests.anchore.documents import Document
from tests.cli import Cli
from tests.end_to_end.codes import DONE
from tests.end_to_end.migration import begin
from tests.nursery import Rig

MARK = "Qz7x"
"""Stands in every name, so that it can be looked for in the statements."""
TRICKS = (
    "'; DROP TABLE archive_metadata; --",
    "' OR '1'='1",
    '"; --',
    ":name",
    "::text",
    "%s",
    "%(name)s",
    "%%",
    "$1",
    "$$",
    "\\' OR 1=1 --",
    "E'\\x27'",
    "/* */",
    "{0}",
    "_%",
    "NULL",
    "' || pg_sleep(60) || '",
)
"""What SQL, SQLAlchemy, pg8000, LIKE or Python's formats give a meaning to."""


def record(path: str) -> None:
    """Write down each statement of the run as the driver gets it, without its parameters."""
    log = Path(path).open("a", encoding="utf-8", buffering=1)  # noqa: SIM115

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        log.write(f"{statement}\n\0\n")

    sa.event.listen(sa.Engine, "before_cursor_execute", note)


def tricky() -> list[Document]:
    """Each trick as a key, an account, a bucket, the name of a document and its metadata."""
    found = []
    for number, trick in enumerate(TRICKS):
        name, content = f"{MARK}{trick}", f'{{"document": {number}}}'.encode()
        found.append(Document("policy_bundles", name, "admin", content))
        # An account or bucket with a slash is one that Anchore cannot read.
        plain = name.replace("/", "|")
        found.append(Document("policy_bundles", f"{MARK} of an account {number}", plain, content))
        found.append(Document(plain, f"{MARK} in a bucket {number}", "admin", content))
        found.append(
            Document("query_data", f"{MARK} renamed {number}", "admin", content, document_name=name, metadata=name)
        )
    return found


@pytest.mark.parametrize("pair", ["db to localfs", "localfs to db2", "db2 to db"])
def test_a_name_is_never_part_of_a_statement(deployment: Deployment, cli: Cli, pair: str) -> None:
    directory = f"{deployment.directory('files')}/{MARK} o'brien:name %s $1"
    Path(directory).mkdir()
    places: dict[str, Place] = {"db": Db(), "db2": Db2(), "localfs": Localfs(directory)}
    source, destination = (Config(Section(places[name])) for name in pair.split(" to "))
    made = begin(deployment, cli, source, destination, documents=tricky())
    statements = deployment.root / "statements.sql"
    rig = Rig(f"{__name__}:record", {"path": str(statements)})

    def run(*words: str) -> Any:
        return cli.run(*words, rig=rig).must_end(DONE)

    for trick in TRICKS[:2]:
        run("plan", "config.yaml", "dest-config.yaml", "--bucket", f"{MARK}{trick}", "-o", "one-bucket.json")
    run("plan", "config.yaml", "dest-config.yaml", "--deep", "-o", "plan.json")
    run("apply", "one-bucket.json", "--yes", "--through", "copy")
    run("apply", "plan.json", "--yes", "--through", "switch", "--verify", "full")
    run("status", "plan.json")
    run("undo", "plan.json", "--yes")
    made.assert_at_source(leftovers=[destination])
    run("apply", "plan.json", "--yes")
    run("verify", "dest-config.yaml", "--full")
    run("migrations", "config.yaml")
    made.assert_at_destination()

    said = statements.read_text(encoding="utf-8").split("\0")
    assert len(said) > 100
    assert [one for one in said if MARK in one] == []
