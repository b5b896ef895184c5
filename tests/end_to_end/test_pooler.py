"""A database behind a pooler that lends connections for a transaction: there a session lock means nothing."""

from __future__ import annotations

import pytest

from tests.end_to_end.codes import DONE, REFUSED
from tests.end_to_end.migration import Migration
from tests.pooler import pooled


@pytest.mark.parametrize("in_turn", [False, True], ids=["the connection used last", "one connection after the other"])
def test_5_behind_a_pooler_in_transaction_mode(migration: Migration, in_turn: bool) -> None:
    migration.plan("--keep-source")
    with pooled(migration.deployment.database_url, in_turn=in_turn) as url:
        behind = {"RESTOW_DB_CONNECT": url}
        migration.cli.run("plan", "config.yaml", "dest-config.yaml", env=behind).must_end(DONE)
        for flags in (["--dry-run"], ["--yes"]):
            with migration.writes_nothing():
                refused = migration.cli.run("apply", "plan.json", *flags, env=behind).must_end(REFUSED)
            assert "a pool in session mode" in refused.stderr

    migration.apply()
    with pooled(migration.deployment.database_url, in_turn=in_turn) as url, migration.writes_nothing():
        for command in ("undo", "clean"):
            for flags in (["--dry-run"], ["--yes"]):
                migration.cli.run(command, "plan.json", *flags, env={"RESTOW_DB_CONNECT": url}).must_end(REFUSED)
