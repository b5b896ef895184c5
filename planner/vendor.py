"""The vendor's command for a move, with the flags it needs to do just that: argued in docs/required-flags.md."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from planner.diff import Outline
from planner.words import path_word, shell_word
from schemas.config import ARCHIVE_BUCKET, StorageConfig, StoreConfig, StoreName
from schemas.plan import Side
from stores.locations import scheme

USUAL_BUCKETS = (
    "analysis_data",
    "image_content_data",
    "manifest_data",
    "parent_manifest_data",
    "policy_bundles",
    "policy_evaluations",
    "query_data",
    "syft_sbom",
    "vulnerability_scan",
)
"""Buckets of the working set that every installation may have, for a plan that counted none. Others exist."""
NO_BUCKET = ""
"""No document has this bucket: ``--bucket ''`` selects nothing, where no ``--bucket`` at all would select all."""
_MOUNTED_SOURCE, _MOUNTED_DESTINATION = "/config/config.yaml", "/config/dest-config.yaml"
"""Where the Helm chart's migration job mounts the two files that it renders from the values."""


def required_flags(
    outline: Outline,
    source: StorageConfig,
    destination: StorageConfig,
    *,
    buckets: Iterable[str] | None,
    only_buckets: tuple[str, ...],
    keep_source: bool,
) -> tuple[str, ...]:
    """Return the flags of ``anchore-manager objectstorage migrate``, in the order of its documentation.

    ``buckets`` are the buckets that hold documents to copy, None when nobody counted. Only flags that change what the
    tool selects or does are there. Where no flags make it do exactly this move, these are the nearest.
    """
    flags: list[str] = []
    if _only_in_archive_section(source, outline.store, written_by=False):
        flags.append("--from-analysis-archive")
    if _only_in_archive_section(destination, outline.store, written_by=True):
        flags.append("--to-analysis-archive")
    for bucket in _named_buckets(outline, source, buckets, only_buckets):
        flags += ["--bucket", bucket]
    if keep_source:
        flags.append("--nodelete")
    return tuple(flags)


def equivalent_command(flags: tuple[str, ...], *, source: Side, destination: Side) -> str:
    """Return the whole command line, for a shell. The database URL holds a password, so the shell is to fill it in."""
    files = (_read_by_the_tool(source, _MOUNTED_SOURCE), _read_by_the_tool(destination, _MOUNTED_DESTINATION))
    operation = " ".join([*map(shell_word, ("migrate", *flags, "--dontask")), *map(path_word, files)])
    return f'anchore-manager objectstorage --db-connect "$RESTOW_DB_CONNECT" {operation}'


def _read_by_the_tool(side: Side, mounted: str) -> str:
    match side.form:
        case "config":
            return side.config
        case "helm" | "helm-job":
            return mounted
        case _:
            assert_never(side.form)


def _only_in_archive_section(config: StorageConfig, store: StoreName, *, written_by: bool) -> bool:
    """Whether the section that the tool reads without a flag, the working set's, does not serve for ``store``.

    Of the side that is ``written_by`` the section compression counts too.
    """
    wanted, archive = config.store(store), config.analysis_archive

    def serves(section: StoreConfig) -> bool:
        same_place = section.backend.identity == wanted.backend.identity
        return same_place and (not written_by or section.compression == wanted.compression)

    if archive is None or not serves(archive):
        return False
    return not (_has_working_set_section(config) and serves(config.object_store))


def _has_working_set_section(config: StorageConfig) -> bool:
    # The chart renders its default where the values have none. A config.yaml without one means Anchore's default to
    # Anchore, but is an error to the tool.
    return config.form != "config" or config.working_key is not None


def _named_buckets(
    outline: Outline, source: StorageConfig, buckets: Iterable[str] | None, only_buckets: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the buckets that the tool must be told; it selects by URL scheme over all buckets if it is told none."""
    if only_buckets:
        return tuple(bucket for bucket in only_buckets if _covers(outline, bucket)) or (NO_BUCKET,)
    if outline.store == "analysis_archive":
        return (ARCHIVE_BUCKET,)
    archive = scheme(source.store("analysis_archive").backend.location)
    if outline.shared or archive != scheme(outline.source.location):
        return ()
    if buckets is None:
        return USUAL_BUCKETS
    return tuple(sorted(bucket for bucket in buckets if _covers(outline, bucket))) or (NO_BUCKET,)


def _covers(outline: Outline, bucket: str) -> bool:
    return outline.shared or (bucket == ARCHIVE_BUCKET) == (outline.store == "analysis_archive")
