"""What a status looks like as text. Pure."""

from __future__ import annotations

from executor.status import MoveStatus, Status
from planner.visible import visible


def status_text(status: Status) -> str:
    """Return one block a move: its state, then how each bucket stands."""
    if not status.plan.moves:
        return "Nothing to do: the plan has no moves.\n"
    return "\n".join(_move(one) for one in status.moves)


def _move(one: MoveStatus) -> str:
    state = one.state if not one.superseded else f"{one.state}, superseded by a later migration"
    number = f" (round {one.round})" if one.round is not None else ""
    lines = [f"{one.move.store}: {one.move.from_} → {one.move.to}", f"  state: {state}{number}"]
    if one.buckets:
        names = [visible(bucket.bucket) for bucket in one.buckets]
        width = max(map(len, names))
        word = "switched" if one.state in {"switched", "cleaned"} else "copied"
        accepted = any(bucket.accepted for bucket in one.buckets)
        lines.append(
            f"  {'bucket':{width}}  {'documents':>10}  {word:>10}  {'left':>10}" + ("    accepted" if accepted else "")
        )
        lines += [
            f"  {name:{width}}  {bucket.documents:>10,}  {bucket.before:>10,}  {bucket.pending:>10,}"
            + (f"  {bucket.accepted:>10,}" if accepted else "")
            for name, bucket in zip(names, one.buckets, strict=True)
        ]
    return "\n".join(lines) + "\n"
