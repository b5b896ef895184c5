"""The vendor's command for a move: which flags it needs to select and affect just that. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from planner.diff import Outline
from schemas.config import ARCHIVE_BUCKET, StorageConfig
from stores.locations import scheme


def required_flags(
    outline: Outline,
    source: StorageConfig,
    destination: StorageConfig,
    *,
    buckets: Iterable[str],
    only_buckets: tuple[str, ...],
    keep_source: bool,
) -> tuple[str, ...]:
    """Return the flags of ``anchore-manager objectstorage migrate``, in the order of its documentation.

    ``buckets`` are the buckets that hold documents of the move. The vendor's tool selects documents by URL scheme over
    all buckets, so the archive's must be kept out by naming the others whenever both have the source's scheme.
    """
    flags: list[str] = []
    if outline.store == "analysis_archive":
        if source.analysis_archive is not None:
            flags.append("--from-analysis-archive")
        if destination.analysis_archive is not None:
            flags.append("--to-analysis-archive")
    for bucket in _selected(outline, source, buckets, only_buckets):
        flags += ["--bucket", bucket]
    if keep_source:
        flags.append("--nodelete")
    return tuple(flags)


def equivalent_command(flags: tuple[str, ...], *, source: str, destination: str) -> str:
    """Return the whole command line. The database URL holds a password, so the shell is to fill it in."""
    operation = shlex.join(["migrate", *flags, "--dontask", source, destination])
    return f'anchore-manager objectstorage --db-connect "$RESTOW_DB_CONNECT" {operation}'


def _selected(
    outline: Outline, source: StorageConfig, buckets: Iterable[str], only_buckets: tuple[str, ...]
) -> tuple[str, ...]:
    if outline.store == "analysis_archive":
        return (ARCHIVE_BUCKET,)
    if only_buckets:
        return only_buckets
    archive = scheme(source.store("analysis_archive").backend.location)
    if outline.shared or archive != scheme(outline.source.location):
        return ()
    return tuple(sorted(bucket for bucket in buckets if bucket != ARCHIVE_BUCKET))
