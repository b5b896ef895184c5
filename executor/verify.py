"""Stage verify: nothing missing, nothing stale, and what earlier runs copied is found again at the destination.

A copy that this run wrote was checked when it was written. In full mode every copy is read back and its content
compared, once in a run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from executor.engines import run_batches
from executor.evidence import Copy, confirm, forget, unchecked_copies
from executor.moving import MoveRun, Run
from stores.batches import cut
from stores.interface import Absent, DocumentName, Fault, Stat
from stores.payload import decode, md5_hex

BATCH_DOCUMENTS = 200
FULL_BATCH_BYTES = 8 << 20


@dataclass
class VerifyResult:
    """Copies that were looked at, and those that turned out wrong and are to be copied again."""

    checked: int = 0
    checked_bytes: int = 0
    wrong: list[tuple[DocumentName, str]] = field(default_factory=list)


def verify_move(run: Run, move: MoveRun) -> VerifyResult:
    """Look at the move's copies; wrong ones leave the journal, so that the next copy pass takes them again.

    Raises UnreachableError or DeniedError.
    """
    total = VerifyResult()
    check = _check_content if run.full else _check_digest

    def work(batch: Sequence[Copy]) -> VerifyResult:
        return _verify_batch(
            run, move, batch, [check(move, copy, stat) for copy, stat in _looked_at(move, batch, full=run.full)]
        )

    for result in run_batches(_batches(run, move), work, jobs=run.jobs, stop=run.stop):
        total.checked += result.checked
        total.checked_bytes += result.checked_bytes
        total.wrong += result.wrong
    return total


def found_at_destination(move: MoveRun, copies: Sequence[Copy]) -> list[str | None]:
    """Say of each copy what is wrong with it at the destination, by the digest the destination takes; None: nothing."""
    return [_check_digest(move, copy, stat) for copy, stat in _looked_at(move, copies, full=False)]


def _batches(run: Run, move: MoveRun) -> Iterator[list[Copy]]:
    after: DocumentName | None = None
    while page := unchecked_copies(run.database, move.ticket, after, BATCH_DOCUMENTS):
        after = page[-1].name
        yield from (
            cut(page, lambda copy: copy.size, documents=BATCH_DOCUMENTS, size=FULL_BATCH_BYTES) if run.full else [page]
        )


Look = Stat | bytes | Absent | Fault


def _looked_at(move: MoveRun, copies: Sequence[Copy], *, full: bool) -> list[tuple[Copy, Look]]:
    urls = [copy.new_url for copy in copies]
    answers: Sequence[Look] = move.destination.read(urls) if full else move.destination.stat(urls)
    return list(zip(copies, answers, strict=True))


def _check_digest(move: MoveRun, copy: Copy, look: Look) -> str | None:
    if isinstance(look, Stat) and look.md5 is None:
        look = move.destination.read([copy.new_url])[0]
    match look:
        case Absent():
            return f"nothing is stored at {copy.new_url}"
        case Fault(detail=detail):
            return detail
        case bytes():
            return _compare(copy, md5_hex(look), len(look))
        case Stat(md5=md5, size=size):
            return _compare(copy, md5, size)


def _check_content(move: MoveRun, copy: Copy, look: Look) -> str | None:
    wrong = _check_digest(move, copy, look)
    if wrong is not None or not isinstance(look, bytes):
        return wrong
    content = decode(look, copy.is_compressed)
    if isinstance(content, Fault):
        return content.detail
    if hashlib.sha256(content).hexdigest() != copy.content_sha256:
        return f"the content at {copy.new_url} is not the one that was read at the source"
    return None


def _compare(copy: Copy, md5: str | None, size: int) -> str | None:
    if (md5, size) == (copy.digest, copy.size):
        return None
    return f"{copy.new_url} holds {size} bytes with MD5 {md5}, expected {copy.size} bytes with MD5 {copy.digest}"


def _verify_batch(run: Run, move: MoveRun, batch: Sequence[Copy], verdicts: Sequence[str | None]) -> VerifyResult:
    result = VerifyResult(checked=len(batch), checked_bytes=sum(copy.size for copy in batch))
    result.wrong = [(copy.name, wrong) for copy, wrong in zip(batch, verdicts, strict=True) if wrong is not None]
    confirm(
        run.database, move.ticket, [copy.name for copy, wrong in zip(batch, verdicts, strict=True) if wrong is None]
    )
    forget(run.database, move.ticket, [name for name, _ in result.wrong])
    run.progress.advance(result.checked, result.checked_bytes)
    return result
