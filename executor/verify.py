"""Looking for copies at the destination: what was written just now, in stage copy, and in stage verify all others.

In full mode stage verify reads every copy back and compares its content, once in a run.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from executor.engines import run_batches
from executor.evidence import Copy, confirm, unchecked_copies
from executor.failures import Failure
from executor.journal import Copied
from executor.moving import MoveRun, Run
from stores.batches import cut
from stores.catalog import rows_named
from stores.interface import Absent, DocumentName, Fault, Reason, Stat
from stores.payload import content_sha256, md5_hex

BATCH_DOCUMENTS = 200
LISTED_DOCUMENTS = 1000
"""As many as a list of S3 shows at once."""
FULL_BATCH_BYTES = 8 << 20
MOST_NAMED = 1000


@dataclass
class VerifyResult:
    """Copies that were looked at, and those that turned out wrong and are to be copied again."""

    checked: int = 0
    checked_bytes: int = 0
    wrong: int = 0
    named: list[Failure] = field(default_factory=list)
    """The first of the wrong ones; a destination may have lost all it had, and the journal knows which."""
    failures: list[Failure] = field(default_factory=list)
    """Documents whose copies cannot be looked at. That is no proof against them, nor for them."""

    def add(self, other: VerifyResult) -> None:
        self.checked += other.checked
        self.checked_bytes += other.checked_bytes
        self.wrong += other.wrong
        self.named += other.named[: MOST_NAMED - len(self.named)]
        self.failures += other.failures


def verify_move(run: Run, move: MoveRun, total: VerifyResult) -> None:
    """Look at the move's copies; all but the right ones are copied again, the wrong ones by this run's next pass.

    What ``total`` says was checked is true also when something ends this. Raises UnreachableError or DeniedError.
    """
    look = _read_back if run.full else found_at_destination
    batches = _batches(run, move, BATCH_DOCUMENTS, full=run.full)
    _verify(run, move, batches, look, total, tell=run.progress.advance)


def find_written(run: Run, move: MoveRun) -> VerifyResult:
    """Look at the copies of this run that the destination has only claimed to store so far.

    Those of earlier runs are for ``verify_move``, which asks for each by itself: a list may be older than they are.

    Raises UnreachableError or DeniedError.
    """
    total = VerifyResult()
    _verify(run, move, _batches(run, move, LISTED_DOCUMENTS, full=False, own=True), _look_over, total)
    return total


class Claimed:
    """Copies of a pass that the destination only claims to store, until they are enough for a list. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Copied] = []

    def add(self, copies: Iterable[Copied]) -> list[Copied]:
        """Return all that wait, to be looked at now, once they are enough; until then none."""
        with self._lock:
            self._waiting += copies
            if len(self._waiting) < LISTED_DOCUMENTS:
                return []
            enough, self._waiting = self._waiting, []
            return enough


def find_early(run: Run, move: MoveRun, copies: Sequence[Copied]) -> None:
    """Look at copies while others are still being written, and record those that are right.

    What is said against one is for ``find_written``. Raises UnreachableError or DeniedError.
    """
    looks = move.destination.overview([copy.url for copy in copies])
    right = [
        copy.row.name
        for copy, look in zip(copies, looks, strict=True)
        if isinstance(look, Stat) and (look.md5, look.size) == (copy.digest, copy.size)
    ]
    confirm(run.database, move.ticket, right)


Look = Stat | bytes | Absent | Fault
Verdicts = Callable[[MoveRun, Sequence[Copy]], list[Fault | None]]


def _verify(
    run: Run,
    move: MoveRun,
    batches: Iterator[list[Copy]],
    look: Verdicts,
    total: VerifyResult,
    *,
    tell: Callable[[int, int], object] | None = None,
) -> None:
    def work(batch: Sequence[Copy]) -> VerifyResult:
        return _verify_batch(run, move, batch, look(move, batch))

    for result in run_batches(batches, work, jobs=run.jobs, stop=run.stop):
        if tell is not None:
            tell(result.checked, result.checked_bytes)
        total.add(result)
        if len(total.failures) > run.max_failures:
            run.stop.ask(f"more than {run.max_failures} copies cannot be looked at (--max-failures)")


def found_at_destination(move: MoveRun, copies: Sequence[Copy]) -> list[Fault | None]:
    """Say of each copy what is wrong with it at the destination, by the digest the destination takes; None: nothing."""
    return _judge(move, copies, move.destination.stat([copy.new_url for copy in copies]))


def _look_over(move: MoveRun, copies: Sequence[Copy]) -> list[Fault | None]:
    return _judge(move, copies, move.destination.overview([copy.new_url for copy in copies]))


def _judge(move: MoveRun, copies: Sequence[Copy], looks: Sequence[Look]) -> list[Fault | None]:
    """Say of each copy what is wrong with it; where a look does not tell, the payload is read, with others at once."""
    verdicts = {copy: _check_digest(copy, look) for copy, look in zip(copies, looks, strict=True)}
    unsure = [copy for copy, look in zip(copies, looks, strict=True) if _is_unsure(copy, look)]
    for some in cut(unsure, lambda copy: copy.size, documents=BATCH_DOCUMENTS, size=FULL_BATCH_BYTES):
        payloads = move.destination.read([copy.new_url for copy in some])
        verdicts.update((copy, _check_digest(copy, one)) for copy, one in zip(some, payloads, strict=True))
    return list(verdicts.values())


def _read_back(move: MoveRun, copies: Sequence[Copy]) -> list[Fault | None]:
    looks = move.destination.read([copy.new_url for copy in copies])
    return [_check_content(copy, look) for copy, look in zip(copies, looks, strict=True)]


def _batches(run: Run, move: MoveRun, documents: int, *, full: bool, own: bool = False) -> Iterator[list[Copy]]:
    after: DocumentName | None = None
    while page := unchecked_copies(run.database, move.ticket, after, documents, own=own):
        after = page[-1].name
        # One whose row has changed since is copied again.
        fitting = [copy for copy in page if copy.fits]
        size = FULL_BATCH_BYTES if full else sys.maxsize
        yield from cut(fitting, lambda copy: copy.size, documents=documents, size=size)
        if len(page) < documents:
            return


def _is_unsure(copy: Copy, look: Look) -> bool:
    """Whether the payload itself must tell: no digest was given, or it may be one of another kind than it was."""
    match look:
        case Stat(md5=md5, size=size):
            return (md5, size) != (copy.digest, copy.size)
        case Fault(reason=Reason.UNAVAILABLE):
            return True
        case _:
            return False


def _check_digest(copy: Copy, look: Look) -> Fault | None:
    match look:
        case Stat(md5=md5, size=size) if (md5, size) == (copy.digest, copy.size):
            return None
        case bytes() if (md5_hex(look), len(look)) == (copy.digest, copy.size):
            return None
        case bytes():
            said = f"holds {len(look)} bytes with MD5 {md5_hex(look)}, expected {copy.size} with MD5 {copy.digest}"
            return Fault(Reason.NOT_STORED, f"{copy.new_url} {said}")
        case Fault():
            return look
        case _:
            return Fault(Reason.NOT_STORED, f"nothing is stored at {copy.new_url}")


def _check_content(copy: Copy, look: Look) -> Fault | None:
    wrong = _check_digest(copy, look)
    if wrong is not None or not isinstance(look, bytes):
        return wrong
    found = content_sha256(look, copy.is_compressed)
    if isinstance(found, Fault):
        return found
    # What has never passed through us has no digest of its content; that it has the row's MD5 and inflates is shown.
    if copy.content_sha256 is not None and found != copy.content_sha256:
        return Fault(Reason.NOT_STORED, f"the content at {copy.new_url} is not the one that was read at the source")
    return None


def _verify_batch(run: Run, move: MoveRun, batch: Sequence[Copy], verdicts: Sequence[Fault | None]) -> VerifyResult:
    result = VerifyResult(checked=len(batch), checked_bytes=sum(copy.size for copy in batch))
    found = [(copy, fault) for copy, fault in zip(batch, verdicts, strict=True) if fault is not None]
    _take_again(run, move, found, result)
    doubted = {copy.name for copy, _ in found}
    confirm(run.database, move.ticket, [copy.name for copy in batch if copy.name not in doubted])
    return result


def _take_again(run: Run, move: MoveRun, found: Sequence[tuple[Copy, Fault]], result: VerifyResult) -> None:
    """Put copies back to what they were before they were written: payloads that the journal knows of, no evidence."""
    if not found:
        return
    rows = run.database.run(lambda transaction: rows_named(transaction, [copy.name for copy, _ in found]))
    # One whose row has gone is removed with the vanished.
    found = [(copy, fault) for copy, fault in found if copy.name in rows]
    run.journal.intend(move.ticket, [(rows[copy.name], copy.new_url) for copy, _ in found])
    for copy, fault in found:
        if fault.reason is Reason.UNAVAILABLE:
            result.failures.append(Failure(rows[copy.name], fault.reason, fault.detail))
        else:
            result.wrong += 1
            result.named.append(Failure(rows[copy.name], fault.reason, fault.detail))
