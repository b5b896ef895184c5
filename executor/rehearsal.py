"""``apply --dry-run``: all gates but the asking, then what each stage would do. Takes no lock and writes nothing."""

from __future__ import annotations

from collections.abc import Mapping

from executor.accounts import take_account
from executor.apply import STAGES
from executor.clean_later import is_clean, rounds_to_clean
from executor.fence import Ticket
from executor.moving import Orders, opened
from executor.preflight import check_secrets_and_rights, pass_gates, refuse_other_configs
from executor.session import ApplyOptions
from executor.standing import Standing
from executor.undo import rounds_to_undo
from planner.inventory import Inventory
from planner.visible import visible
from schemas.errors import LockedError
from schemas.plan import Move
from stores.lock import holder


def rehearse(orders: Orders, options: ApplyOptions) -> str:
    """Return what the run would do, as text. Raises what the run would raise before its first write.

    What only a write can show stays unknown: the right to write, and whether the two backends are one place.
    """
    plan = orders.plan
    standing = pass_gates(orders, through=options.through, can_confirm=True)
    if standing.done(plan, options.through):
        return "Nothing to do: the plan is done already.\n" if plan.moves else "Nothing to do: the plan has no moves.\n"
    with opened(orders, options.jobs) as stores:
        _refuse_locked(orders)
        if not standing.switched:
            for _, destination in stores:
                destination.refuse_foreign()
    lines = ["Dry run: nothing was written. A run now would do this:", ""]
    for index, move in enumerate(plan.moves):
        to_copy = _to_copy(orders, standing, index)
        lines += _move(move, standing.inventories[index], to_copy, standing, options)
    lines += [f"{one.code}: up to {one.count:,} documents are left as they are" for one in plan.accepted]
    return "\n".join(lines) + "\n"


def _refuse_locked(orders: Orders) -> None:
    holds = holder(orders.database)
    if holds is not None:
        raise LockedError(f"another migration holds the lock: {holds}", hint="wait for it to end")


def _pass_gates_back(orders: Orders, options: ApplyOptions, *, back: bool) -> None:
    """Pass what ``undo`` and ``clean`` ask after their rounds; whether a service is live, undo asks only in earnest."""
    refuse_other_configs(orders, switched=True)
    check_secrets_and_rights(orders, back=back)
    with opened(orders, options.jobs):
        _refuse_locked(orders)


def rehearse_undo(orders: Orders, options: ApplyOptions) -> str:
    """Return what ``undo`` would do. Raises its refusals."""
    if rounds_to_undo(orders) is None:
        return "Nothing to do: the plan is undone already.\n"
    _pass_gates_back(orders, options, back=True)
    lines = ["Dry run: nothing was written. An undo now would do this, with Anchore stopped:", ""]
    for move in orders.plan.moves:
        lines.append(f"{move.store}: {move.to} → {move.from_}")
        lines.append("  copy back what Anchore wrote or changed since the switch")
        lines.append(f"  put every row back to {move.from_}; the copies in {move.to} stay")
    return "\n".join(lines) + "\n"


def rehearse_clean(orders: Orders, options: ApplyOptions) -> str:
    """Return what ``clean`` would do. Raises its refusals."""
    rounds = rounds_to_clean(orders)
    if is_clean(orders, rounds):
        return "Nothing to do: the plan is clean already.\n"
    _pass_gates_back(orders, options, back=False)
    lines = ["Dry run: nothing was deleted. A clean now would do this:", ""]
    for move, one in zip(orders.plan.moves, rounds, strict=True):
        undone = one.state == "undone"
        what = f"the copies in {move.to}" if undone else f"the source payloads in {move.from_}"
        lines.append(f"{move.store}: delete {what}, each once its document is found at the other place")
    return "\n".join(lines) + "\n"


def _to_copy(orders: Orders, standing: Standing, index: int) -> dict[str, int]:
    """Return how many documents of each bucket of a move are at the source and have no copy yet."""
    inventory, known = standing.inventories[index], standing.resumed(index)
    pending: dict[str, int] = {}
    if known is not None:
        # Run 0 is nobody: every copy then counts as made before.
        accounts = take_account(orders.database, inventory.route, Ticket(known.seq, known.route, run=0))
        pending = {bucket.bucket: bucket.pending for bucket in accounts}
    return {one.bucket: min(one.to_copy, pending.get(one.bucket, one.to_copy)) for one in inventory.buckets}


def _move(
    move: Move, found: Inventory, to_copy: Mapping[str, int], standing: Standing, options: ApplyOptions
) -> list[str]:
    lines = [f"{move.store}: {move.from_} → {move.to}"]
    if standing.switched:
        lines.append("  copy, verify, switch: done")
    else:
        lines += [
            f"  copy    {visible(one.bucket)}: "
            f"up to {to_copy[one.bucket]:,} of {one.documents:,} documents, {one.bytes:,} bytes in all"
            for one in found.buckets
        ]
        wanted = STAGES[1 : STAGES.index(options.through) + 1]
        lines += [f"  {stage:7} up to {found.totals.to_copy:,} documents" for stage in wanted if stage != "clean"]
    if options.through == "clean":
        deletes = f"delete the source payloads in {move.from_}"
        lines.append(f"  clean   {deletes if move.delete_source else 'nothing: the plan keeps the source'}")
    return [*lines, ""]
