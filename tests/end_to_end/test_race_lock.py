"""One migration at a time: whatever is begun beside a run that is under way, ours or the vendor's."""

from __future__ import annotations

import sqlalchemy as sa

from tests.end_to_end.codes import DONE, LOCKED
from tests.end_to_end.holding import IMPATIENT, sources_locked, wait_until_held
from tests.end_to_end.migration import Migration

VENDORS_TRY = "SELECT pg_try_advisory_lock(2, 1)"
VENDORS_LOCK = "SELECT pg_advisory_lock(2, 1)"


def test_nothing_starts_beside_an_apply(migration: Migration) -> None:
    """Neither undo nor clean of the plan before, another apply, nor the vendor's tool."""
    cli, deployment = migration.cli, migration.deployment
    migration.plan("--keep-source")
    migration.apply()
    migration.plan_back()
    with deployment.engine.connect() as vendor, sources_locked(deployment) as holder:
        running = cli.start("apply", "back.json", "--yes")
        wait_until_held(deployment, running)
        for command in ("undo", "clean"):
            cli.run(command, "plan.json", "--yes", rig=IMPATIENT).must_end(LOCKED)
        cli.run("apply", "back.json", "--yes", rig=IMPATIENT).must_end(LOCKED)
        assert not vendor.execute(sa.text(VENDORS_TRY)).scalar_one()
        holder.rollback()
        running.finish().must_end(DONE)

    migration.assert_at_source()


def test_neither_undo_nor_clean_starts_beside_the_vendor_s_tool(migration: Migration) -> None:
    migration.plan("--keep-source")
    migration.apply()
    with migration.deployment.engine.connect() as vendor:
        vendor.execute(sa.text(VENDORS_LOCK))
        with migration.writes_nothing():
            for command in ("undo", "clean"):
                migration.cli.run(command, "plan.json", "--yes", rig=IMPATIENT).must_end(LOCKED)
        vendor.execute(sa.text("SELECT pg_advisory_unlock_all()"))

    migration.cli.run("undo", "plan.json", "--yes").must_end(DONE)
    migration.assert_at_source(leftovers=[migration.destination])
