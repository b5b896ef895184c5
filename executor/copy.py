"""Stage copy: from the source, checked, to the destination, checked there, and into the journal. No row is touched.

Anchore may be running. It writes a payload first and its row in a later transaction, so a payload that does not fit
its row may be a write in motion: only what stays wrong while its row stays the same is a failure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from executor.accounts import take_account
from executor.engines import at_once, run_batches
from executor.evidence import doubt
from executor.failures import Failure
from executor.journal import Copied
from executor.moving import MoveRun, Run
from executor.verify import Claimed, find_early, find_written
from planner.inventory import documents_of
from stores.batches import cut, expected_bytes
from stores.catalog import rows_named
from stores.direct import DirectCopy, Transit
from stores.interface import Absent, DocumentName, Fault, Reason, Row, Stat
from stores.locations import content_url
from stores.names import unreadable
from stores.payload import Prepared, check, md5_hex, prepare, stays_as_it_is

BATCH_DOCUMENTS = 256
BATCH_BYTES = 8 << 20
PAGE_DOCUMENTS = 1024
SETTLE_SECONDS = 1.0
SETTLE_PASSES = 3


@dataclass
class PassResult:
    """What one pass over the documents to copy came to; failures are capped by ``--max-failures``."""

    copied: int = 0
    copied_bytes: int = 0
    moving: int = 0
    """Rows that changed or went while they were read: for the next pass."""
    failures: list[Failure] = field(default_factory=list)
    lost: set[Row] = field(default_factory=set)
    """Of these, what is not at the destination although it said so: worth another try. The first, if they are many."""

    def add(self, other: PassResult) -> None:
        self.copied += other.copied
        self.copied_bytes += other.copied_bytes
        self.moving += other.moving
        self.failures += other.failures


def copy_move(run: Run, move: MoveRun, total: PassResult, *, failed: int) -> None:
    """Copy what has no copy yet, again until nothing is in motion; in ``total`` are the last pass's failures.

    A pass after the first sees only what the ones before left: documents that changed, appeared or failed.
    ``failed``: how many documents of the run's other moves have; they count for ``--max-failures``. What ``total``
    says was copied is true also when something ends this.
    """
    seen: set[Row] = set()
    """In doubt in the pass before."""
    for attempt in range(SETTLE_PASSES):
        result = PassResult()
        try:
            _one_pass(run, move, failed, result)
            _find_again(run, move, result)
        finally:
            total.copied += result.copied
            total.copied_bytes += result.copied_bytes
        total.failures = result.failures
        doubtful = [one for one in result.failures if _may_be_in_motion(one.reason) or one.row in result.lost]
        if not (result.moving or doubtful) or run.stop.reason:
            break
        if attempt + 1 == SETTLE_PASSES:
            # What is in doubt for the first time has had no time to settle: it is for the next run.
            fresh = {one.row for one in doubtful} - seen - result.lost
            total.failures = [one for one in result.failures if one.row not in fresh]
            break
        seen = {one.row for one in doubtful}
        if result.lost:
            # A server that only says it copies may store what it is sent.
            move = replace(move, direct=None)
        if run.stop.pause(SETTLE_SECONDS):
            break


def _one_pass(run: Run, move: MoveRun, failed: int, total: PassResult) -> None:
    occupied = run.database.run(lambda opened: documents_of(opened, move.route, "destination-occupied"), snapshot=True)
    # A copy that was made before another document's payload came to lie there is none any more.
    doubt(run.database, move.ticket, occupied)
    work = partial(_copy_batch, run, move, frozenset(occupied), Claimed())
    for result in run_batches(_batches(run, move), work, jobs=run.jobs, stop=run.stop):
        total.add(result)
        if failed + len(total.failures) > run.most_failures:
            run.stop.ask(f"more than {run.max_failures} documents failed (--max-failures)")


def _find_again(run: Run, move: MoveRun, result: PassResult) -> None:
    """Take back what this run wrote and is not found at the destination."""
    if run.stop.reason is not None:
        # It is for the next run.
        return
    if result.copied:
        run.journal.analyze()
    if run.full:
        # Verify is to read everything.
        return
    looked = find_written(run, move)
    result.lost = {one.row for one in looked.named}
    result.failures += [*looked.named, *looked.failures]
    result.copied = max(0, result.copied - looked.wrong)


def _batches(run: Run, move: MoveRun) -> Iterator[list[Row]]:
    """Cut the rows to copy into batches bounded by count and bytes, small enough that every worker has some."""
    left = sum(bucket.pending for bucket in take_account(run.database, move.route, move.ticket))
    most = max(1, min(BATCH_DOCUMENTS, left // (at_once(run.jobs) * 4)))
    # To count what is left costs a third of looking for it.
    return cut(_rows(run, move) if left else (), expected_bytes, documents=most, size=BATCH_BYTES)


def _rows(run: Run, move: MoveRun) -> Iterator[Row]:
    after: DocumentName | None = None
    while True:
        page = run.journal.next_to_copy(move.route, move.ticket, after, PAGE_DOCUMENTS)
        yield from page
        if len(page) < PAGE_DOCUMENTS:
            return
        after = page[-1].name


def _copy_batch(
    run: Run, move: MoveRun, occupied: frozenset[DocumentName], claimed: Claimed, rows: Sequence[Row]
) -> PassResult:
    result = PassResult()
    copies = [] if move.direct is None else _copy_directly(run, move, move.direct, occupied, rows)
    done = {one.row for one in copies}
    copies += _stream(run, move, occupied, [row for row in rows if row not in done], result)
    run.journal.copied(move.ticket, copies, full=run.full)
    result.copied = len(copies)
    result.copied_bytes = sum(one.size for one in copies)
    run.progress.advance(len(copies), sum(one.row.size or one.size for one in copies))
    enough = () if run.full else claimed.add(one for one in copies if not one.found)
    if enough and run.stop.reason is None:
        find_early(run, move, enough)
    return result


def _copy_directly(
    run: Run, move: MoveRun, way: DirectCopy, occupied: frozenset[DocumentName], rows: Sequence[Row]
) -> list[Copied]:
    """Return the copies of payloads that stay as they are, found right at the destination; the others are streamed."""
    location = move.route.destination.location
    going = [
        (row, Transit(row.content_url, content_url(location, row.name), row.digest, row.size))
        for row in rows
        if row.content_url is not None and row.digest is not None and row.size is not None
        and stays_as_it_is(row.size, bool(row.is_compressed), move.compression, move.route.destination.driver)
        and _unfit(move, occupied, row.name) is None
    ]  # fmt: skip
    if not going:
        return []
    # Under the fence, right before the first of them moves.
    run.journal.intend(move.ticket, [(row, one.new_url) for row, one in going])
    answers = way.copy([one for _, one in going])
    return [
        Copied(row, one.new_url, one.digest, one.size, bool(row.is_compressed), None, answer.md5 is not None)
        for (row, one), answer in zip(going, answers, strict=True)
        if isinstance(answer, Stat) and (answer.md5 or answer.claim, answer.size) == (one.digest, one.size)
    ]


def _stream(
    run: Run, move: MoveRun, occupied: frozenset[DocumentName], rows: Sequence[Row], result: PassResult
) -> list[Copied]:
    targets = [(row, content_url(move.route.destination.location, row.name)) for row in rows]
    ready: list[tuple[Row, str, Prepared]] = []
    for (row, url), outcome in zip(targets, _read(run, move, occupied, rows), strict=True):
        match outcome:
            case Prepared():
                ready.append((row, url, outcome))
            case Fault(reason=reason, detail=detail):
                result.failures.append(Failure(row, reason, detail))
            case None:
                result.moving += 1
    if ready:
        # Under the fence, right before the first byte: what was read long ago may be older than another run's copy.
        run.journal.intend(move.ticket, [(row, url) for row, url, _ in ready])
    return _write(move, ready, result)


def _read(
    run: Run, move: MoveRun, occupied: frozenset[DocumentName], rows: Sequence[Row]
) -> list[Prepared | Fault | None]:
    """Return each payload ready to write; a fault; or None for a row that changed or went while it was read."""
    outcomes: list[Prepared | Fault | None] = [
        _fit(move, occupied, row, answer) for row, answer in zip(rows, _fetch(move, rows), strict=True)
    ]
    doubtful = [index for index, outcome in enumerate(outcomes) if isinstance(outcome, Fault)]
    if not doubtful:
        return outcomes
    now = run.database.run(lambda transaction: rows_named(transaction, [rows[index].name for index in doubtful]))
    again = []
    for index in doubtful:
        outcome = outcomes[index]
        if now.get(rows[index].name) != rows[index]:
            outcomes[index] = None
        elif isinstance(outcome, Fault) and _may_be_in_motion(outcome.reason):
            again.append(index)
    for index, answer in zip(again, _fetch(move, [rows[index] for index in again]), strict=True):
        outcomes[index] = _fit(move, occupied, rows[index], answer)
    return outcomes


def _fetch(move: MoveRun, rows: Sequence[Row]) -> list[bytes | Absent | Fault]:
    return move.source.read([row.content_url or "" for row in rows]) if rows else []


def _unfit(move: MoveRun, occupied: frozenset[DocumentName], name: DocumentName) -> Fault | None:
    """Say why a document may not be written at the destination.

    Such are findings, refused before the run or accepted to stay; but Anchore may have written the row since then.
    """
    location = move.route.destination.location
    if name in occupied:
        return Fault(Reason.REFUSED, f"{content_url(location, name)} is the place of another document's payload")
    why = unreadable(location, name)
    if why is not None:
        return Fault(Reason.REFUSED, f"Anchore could not read it back from {move.route.destination.name}: {why}")
    return None


def _fit(
    move: MoveRun, occupied: frozenset[DocumentName], row: Row, answer: bytes | Absent | Fault
) -> Prepared | Fault:
    unfit = _unfit(move, occupied, row.name)
    if unfit is not None:
        return unfit
    match answer:
        case Absent():
            return Fault(Reason.MISSING, f"nothing is stored at {row.content_url}")
        case Fault():
            return answer
        case bytes():
            wrong = check(row, answer)
            if wrong is not None:
                return wrong
            driver = move.route.destination.driver
            return prepare(answer, bool(row.is_compressed), move.compression, driver, digest=row.digest)


def _write(move: MoveRun, ready: Sequence[tuple[Row, str, Prepared]], result: PassResult) -> list[Copied]:
    """Write the payloads and keep those that the destination gives back right."""
    answers = move.destination.write([(url, prepared.payload) for _, url, prepared in ready]) if ready else []
    copies: list[Copied] = []
    for (row, url, prepared), answer in zip(ready, answers, strict=True):
        # Of what only arrived as it was sent, what is stored is asked later, for many at once.
        found = not _only_claimed(prepared, answer)
        fault = _stored_wrong(move, url, prepared, answer) if found else None
        if fault is not None:
            result.failures.append(Failure(row, fault.reason, fault.detail))
        else:
            evidence = prepared.digest, prepared.size, prepared.is_compressed, prepared.content_sha256
            copies.append(Copied(row, url, *evidence, found))
    return copies


def _only_claimed(prepared: Prepared, answer: Stat | Fault) -> bool:
    """Whether the destination took the payload as it was sent, and has not said yet what it stored.

    Of one that was sent in parts it makes no claim at all.
    """
    match answer:
        case Stat(md5=None, size=size, claim=claim):
            return size == prepared.size and claim in {None, prepared.digest}
        case _:
            return False


def _stored_wrong(move: MoveRun, url: str, prepared: Prepared, answer: Stat | Fault) -> Fault | None:
    """Say what is wrong with the stored payload, by the digest that the destination itself took, else by reading it.

    Its word is believed when it agrees. When it does not, or no reply came, what is there decides: a digest may be of
    another kind than it was, and a write without a reply may have been done.
    """
    match answer:
        case Stat(md5=str(md5), size=size) if (md5, size) == (prepared.digest, prepared.size):
            return None
        case Fault(reason=reason) if reason is not Reason.UNAVAILABLE:
            return answer
    back = move.destination.read([url])[0]
    if isinstance(back, Fault):
        return back
    if isinstance(back, bytes) and (md5_hex(back), len(back)) == (prepared.digest, prepared.size):
        return None
    if isinstance(answer, Fault):
        return answer
    if isinstance(back, Absent):
        return Fault(Reason.NOT_STORED, f"{url} is not there after the write")
    return Fault(
        Reason.NOT_STORED,
        f"{move.route.destination.name} holds {len(back)} bytes with MD5 {md5_hex(back)} at {url}, "
        f"sent were {prepared.size} bytes with MD5 {prepared.digest}",
    )


def _may_be_in_motion(reason: Reason) -> bool:
    match reason:
        case Reason.MISSING | Reason.CORRUPT:
            return True
        case Reason.REFUSED | Reason.UNAVAILABLE | Reason.NOT_STORED:
            return False
