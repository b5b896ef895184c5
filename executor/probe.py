"""Proof by a document of our own: two backends are two places, and the one that is written to does what is needed."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from schemas.errors import RefusedError, UnreachableError
from schemas.plan import Plan
from stores.interface import Absent, DocumentName, Fault, Reason, Stat, Store
from stores.localfs import LocalfsStore
from stores.locations import content_url

PROBE_BUCKET = "restow_probe"
_UNTOUCHED = "no document was touched"


@dataclass(frozen=True)
class Probe:
    """What two places said of a payload that was written to the second."""

    payload: bytes
    url: str
    """At the second."""
    written: Stat | Fault
    seen: bytes | Absent | Fault
    """Where the first would have it."""
    back: bytes | Absent | Fault
    left: Fault | None
    """Why the second has it still."""


def refuse_one_place(plan: Plan, first: Store, second: Store) -> None:
    """Write a document to the second place and read the same one from the first. Raises what ``refuse_probe`` does.

    Two names of one place, an endpoint alias or a symlink, would make a copy overwrite and clean delete the only
    payload. The probe lies under the second's own prefix and is deleted again. Of directories, the folders are
    compared too.
    """
    if isinstance(first, LocalfsStore) and isinstance(second, LocalfsStore):
        _refuse_shared_folder(first, second)
    name = _probe_name(plan)
    url = content_url(second.backend.location, name)
    payload = secrets.token_bytes(32)
    (written,) = second.write([(url, payload)])
    try:
        (seen,) = first.read([content_url(first.backend.location, name)])
        (back,) = second.read([url])
    finally:
        (left,) = second.delete([url])
    refuse_probe(Probe(payload, url, written, seen, back, left), first.backend.name, second.backend.name)


def refuse_probe(probe: Probe, first: str, second: str) -> None:
    """Raise RefusedError for one place, or for one that does not do what is needed; UnreachableError for silence."""
    if probe.seen == probe.payload:
        raise RefusedError(
            f"{first} and {second} are one place under two names: what is written to the one shows in the other",
            hint="check endpoint, bucket and prefix; there may be nothing to move",
        )
    # A write without a reply may have been done; a place that does not say whether it has the probe proves nothing.
    written = None if probe.back == probe.payload else probe.written
    for answer in (probe.seen, probe.back, written, probe.left):
        if isinstance(answer, Fault) and answer.reason is Reason.UNAVAILABLE:
            raise UnreachableError(answer.detail, hint=f"check the backend, then run again; {_UNTOUCHED}")
    if isinstance(probe.seen, Fault):
        raise RefusedError(
            f"whether {first} and {second} are two places cannot be told: {probe.seen.detail}",
            hint=f"check {first} and the rights there; {_UNTOUCHED}",
        )
    if isinstance(probe.written, Fault):
        raise RefusedError(
            f"{second} does not take a document: {probe.written.detail}",
            hint=f"check the backend and the rights there; {_UNTOUCHED}",
        )
    if probe.back != probe.payload:
        came = probe.back.detail if isinstance(probe.back, Fault) else "other bytes, or none, came back"
        raise RefusedError(
            f"{second} does not give back what is written to it: {came}", hint=f"check the backend; {_UNTOUCHED}"
        )
    if probe.left is not None:
        raise RefusedError(
            f"{second} does not delete what is written to it: {probe.left.detail}",
            hint=f"check the rights there, and remove {probe.url} by hand; {_UNTOUCHED}",
        )


def _refuse_shared_folder(first: LocalfsStore, second: LocalfsStore) -> None:
    shared = first.shared_folder(second)
    if shared is not None:
        raise RefusedError(
            f"{first.backend.name} and {second.backend.name} are one place under two names: "
            f"{shared} is a folder of both, whose documents would be copied over themselves",
            hint="name another directory, or put a folder of its own in a link's place",
        )


def prove_digests(plan: Plan, destination: Store) -> None:
    """Let the destination find out whether it can tell a payload's MD5 without its being read back.

    Until it has shown that, every written payload is read back.
    """
    destination.prove_digests(content_url(destination.backend.location, _probe_name(plan)))


def _probe_name(plan: Plan) -> DocumentName:
    # One name for each plan: what a killed run left there, the next one overwrites and deletes.
    key = plan.plan_digest.removeprefix("sha256:")
    return DocumentName(PROBE_BUCKET, key, "restow", f"{key}.json")
