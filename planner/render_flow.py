"""The flow chart of a plan: each store, where it is today, and where it will be. Mermaid, as code hosts render it."""

from __future__ import annotations

from planner.render_escape import mermaid
from planner.words import counted
from schemas.backend import Backend, S3Location
from schemas.config import ARCHIVE_BUCKET, StoreName
from schemas.plan import Move, Plan

STORES: tuple[StoreName, ...] = ("object_store", "analysis_archive")


def flow_chart(plan: Plan) -> str:
    """Return the lines of a mermaid chart with at most two stores and four backends, whatever the plan."""
    labels: dict[str, str] = {}
    edges: list[str] = []
    for store in STORES:
        today = _node(labels, plan.source.store(store).backend)
        later = _node(labels, plan.destination.store(store).backend)
        if today == later:
            edges.append(f'{store} -->|"stays"| {today}')
        else:
            edges.append(f'{store} -.->|"today"| {today}')
            edges.append(f"{store} ==>|{mermaid(_after(plan, store))}| {later}")
    places = [f"place{index}[({mermaid(label)})]" for index, label in enumerate(labels.values())]
    stores = [f'{store}["{store}"]' for store in STORES]
    return "\n    ".join(["flowchart LR", *stores, *places, *edges])


def _node(labels: dict[str, str], backend: Backend) -> str:
    """Return the node of a backend, noting its label by what makes it one place."""
    labels.setdefault(backend.identity, _label(backend))
    return f"place{list(labels).index(backend.identity)}"


def _label(backend: Backend) -> str:
    match backend.location:
        case S3Location(endpoint=endpoint) if endpoint is not None:
            return f"{backend.name} at {endpoint}"
        case S3Location(region=region) if region is not None:
            return f"{backend.name} in {region}"
        case _:
            return backend.name


def _after(plan: Plan, store: StoreName) -> str:
    documents = [_documents(move, store) for move in plan.moves if store in move.stores]
    return ", ".join(["after the switch", *(counted(n, "document") for n in documents if n is not None)])


def _documents(move: Move, store: StoreName) -> int | None:
    """How many documents of ``store`` will be at the move's destination; None when nothing was counted."""
    if move.totals is None:
        return None
    archive = store == "analysis_archive"
    buckets = [bucket for bucket in move.buckets if (bucket.bucket == ARCHIVE_BUCKET) == archive]
    return sum(bucket.to_copy + bucket.at_destination for bucket in buckets)
