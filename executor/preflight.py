"""The gates before a run, in the order of the contract. Each refuses with its own exit code, and none of them writes.

plan file (9, at reading) → already done (0) → fingerprints (4) → envelope (4) → error findings, no way to confirm (5) →
secrets, backends and rights (78, 69, 77) → [lock (6)] → two places, occupied destinations (5).
"""

from __future__ import annotations

from collections.abc import Sequence

from executor.accepting import accepted_entry, is_accepted
from executor.journal_tables import MISSING_GRANTS
from executor.moving import Orders
from executor.standing import Standing, outline_of, take_standing
from executor.unswitched import undone_at
from planner.diff import moves
from planner.envelope import departures
from planner.findings import data_findings
from planner.load import require_secrets
from schemas.errors import DeniedError, RefusedError, StaleError
from schemas.plan import ONLY_THE_SWITCH, Finding, Plan
from schemas.report import Stage
from stores.database import Database, Transaction
from stores.rounds import LIVE, Round

REPLAN = "plan again: restow plan"


def pass_gates(orders: Orders, *, through: Stage, can_confirm: bool) -> Standing:
    """Pass every gate that needs no backend, in their order. Raises the refusal of the first that stays shut.

    When the plan is done already the other gates are not asked: there is nothing to keep anyone from.
    """
    standing = take_standing(orders.database, orders.plan)
    if standing.done(orders.plan, through):
        return standing
    refuse_other_configs(orders, switched=standing.switched)
    if orders.plan.offline:
        raise StaleError(
            "the plan was made offline and approves no document counts", hint=f"{REPLAN} without --offline"
        )
    if not standing.switched:
        if through != "copy":
            _refuse_stale(orders.plan, standing)
        refuse_findings(orders.plan, standing, through)
    if through in {"switch", "clean"} and not can_confirm:
        what = "the source payloads are deleted" if standing.switched else "the switch"
        raise RefusedError(f"there is no terminal to ask on before {what}", hint="give --yes to answer beforehand")
    check_secrets_and_rights(orders)
    return standing


def refuse_other_configs(orders: Orders, *, switched: bool) -> None:
    """Raise StaleError unless both configs are the ones that were planned."""
    plan, source, destination = orders.plan, orders.source, orders.destination
    for side, config, flag in ((plan.source, source, "--source"), (plan.destination, destination, "--dest")):
        if config.fingerprint == side.fingerprint:
            continue
        if side is plan.source and switched and config.fingerprint == plan.destination.fingerprint:
            raise StaleError(
                f"{config.path} already holds the destination's sections, so the source is not known any more",
                hint="name the old file: --source config.old.yaml",
            )
        raise StaleError(
            f"{config.path} is not the config that was planned: backends or compression differ",
            hint=f"{REPLAN}, or name the planned file with {flag}",
        )
    if moves(source, destination) != tuple(outline_of(plan, move) for move in plan.moves):
        raise StaleError("the plan's moves are not those of its configs", hint=REPLAN)


def _refuse_stale(plan: Plan, standing: Standing) -> None:
    """Raise StaleError when the inventory left the plan's envelope, with every number."""
    reasons = [
        f"{move.store}: {reason}"
        for move, one, found in zip(plan.moves, standing.rounds, standing.inventories, strict=True)
        if move.totals is not None
        for reason in departures(
            move.totals, found.totals, plan.envelope, switched_before=one is not None and one.state in LIVE
        )
    ]
    if reasons:
        raise StaleError("; ".join(reasons), hint=f"{REPLAN}, and have the new numbers reviewed")


def refuse_findings(plan: Plan, standing: Standing, through: Stage) -> None:
    """Raise RefusedError for error findings, of the plan or of the rows as they are now, that it does not accept."""
    now = data_findings(standing.inventories)
    harmless = ONLY_THE_SWITCH if through in {"copy", "verify"} else frozenset()
    errors = {
        one.code: one
        for one in (*plan.findings, *now)
        if one.severity == "error" and one.code not in harmless and not is_accepted(plan, one.code, standing.exempt)
    }
    if errors:
        said = "; ".join(_refused(plan, one) for one in errors.values())
        raise RefusedError(said, hint="resolve these, then plan again")


def _refused(plan: Plan, finding: Finding) -> str:
    accepted = accepted_entry(plan, finding.code)
    grown = f"; the plan accepts {accepted.count} others" if accepted is not None else ""
    return f"{finding.code} ({finding.count}, as {', '.join(finding.examples[:2])}{grown}): {finding.message}"


def refuse_leftovers_of_a_later_plan(database: Database, rounds: Sequence[Round | None]) -> None:
    """Raise RefusedError where a later plan went back to a source that is to be cleaned, and was undone.

    What its way there has left is its own to clean, and this plan's side knows nothing any more of what it put there.
    """

    def work(transaction: Transaction) -> list[tuple[int, Round]]:
        switched = [one for one in rounds if one is not None and one.state == "switched"]
        return [(later, one) for one in switched if (later := undone_at(transaction, one)) is not None]

    for later, one in database.run(work, snapshot=True):
        raise RefusedError(
            f"round {later} moved the store back to {one.source} and was undone; what lies there is its to clean",
            hint="clean the plan of the way back first, or finish it",
        )


def check_secrets_and_rights(orders: Orders, *, back: bool = False) -> None:
    """Raise ConfigError when a backend's secret has no value, DeniedError when the role lacks a right.

    ``back``: what goes back is written to the plan's source.
    """
    stores = [move.store for move in orders.plan.moves]
    require_secrets(orders.source, stores)
    require_secrets(orders.destination, stores)
    _check_rights(orders, back=back)


def _check_rights(orders: Orders, *, back: bool) -> None:
    """Raise DeniedError when the role may not do what a run needs, so that it does not turn out half-way."""
    needs = [
        ("archive_metadata", "SELECT"), ("archive_metadata", "UPDATE"), ("services", "SELECT"), ("tasks", "SELECT"),
        ("tasks", "INSERT"), ("archive_migration_tasks", "INSERT"),
    ]  # fmt: skip
    tables = {"db": "archive_document", "db2": "object_storage"}
    read, written = ("SELECT", "DELETE"), ("SELECT", "INSERT", "UPDATE", "DELETE")
    for side, rights in (
        (orders.plan.source, written if back else read),
        (orders.plan.destination, read if back else written),
    ):
        for move in orders.plan.moves:
            table = tables.get(side.store(move.store).driver)
            needs += [(table, right) for right in rights if table is not None]

    def work(transaction: Transaction) -> list[str]:
        sequence = transaction.one(
            "SELECT coalesce(has_sequence_privilege(pg_get_serial_sequence('tasks', 'id'), 'USAGE'), TRUE) AS may"
        )
        missing = [] if sequence.may else ["USAGE on the sequence of tasks"]
        for table, right in needs:
            asked = "SELECT has_table_privilege(:table, :right) AS may"
            if not transaction.one(asked, table=table, right=right).may:
                missing.append(f"{right} on {table}")
        return missing

    missing = orders.database.run(work, snapshot=True)
    if missing:
        raise DeniedError(
            f"the database role lacks {', '.join(missing)}", hint="use the role Anchore uses, or grant these"
        )
    grants = orders.database.run(lambda transaction: transaction.rows(MISSING_GRANTS), snapshot=True)
    if grants:
        raise DeniedError(
            "the database role may not keep the journal, in schema restow of Anchore's database",
            hint=f"ask for this, once: {'; '.join(row.wanted for row in grants)}",
        )
