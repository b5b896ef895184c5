"""Settings of a config file that do not hold together, or that Anchore takes for something else. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from planner import meaning
from planner.mistakes import KeyPath
from planner.references import left_over
from planner.tree import at
from planner.view import CATALOG
from schemas.config import Oddity, OddityCode, StoreName
from schemas.config_file import CatalogSection, StoreSection

ANALYZER: KeyPath = ("services", "analyzer")
PACKAGE_DB: KeyPath = ("services", "policy_engine", "enable_package_db_load")

_URL = re.compile(r"(https?)://(?:[^/]*@)?([^/]*)(.*)", re.DOTALL)
_LEAST_CACHE_GIGABYTES = 1


@dataclass(frozen=True, slots=True)
class _Note:
    code: OddityCode
    path: KeyPath
    what: str


def oddities(
    catalog: CatalogSection, data: object, line_of: Callable[[KeyPath], int], heads: Mapping[StoreName, KeyPath]
) -> tuple[Oddity, ...]:
    """Return what there is to say about one file's settings, in the order of the file.

    ``data`` is the whole file with its references resolved. ``heads`` says where in it the section of each store
    stands, and has no entry for a store without one. A setting whose variable has no value gives rise to nothing.
    """
    key, working = meaning.working_set(catalog)
    archive = meaning.own_archive(catalog)
    found: list[_Note] = []
    if (head := heads.get("object_store")) is not None:
        found += _legacy(catalog, head[:-1]) if key == "archive_driver" else _store(working, head)
        found += _left_to_the_chart(working, head)
    if archive is not None and (head := heads.get("analysis_archive")) is not None:
        found += _store(archive, head)
        found += _archive(archive, working, head)
    found += _layer_cache(at(data, ANALYZER))
    found += _package_db(data)
    noted = [Oddity(code=one.code, path=".".join(one.path), line=line_of(one.path), what=one.what) for one in found]
    return tuple(sorted(noted, key=lambda one: (one.line, one.path, one.code)))


def switch(value: object) -> bool | None:
    """Return what a setting that may be switched says; None when that cannot be told, as of a reference."""
    match value:
        case bool():
            return value
        case str():
            return {"true": True, "false": False}.get(value.strip().lower())
        case _:
            return None


def _legacy(catalog: CatalogSection, parent: KeyPath) -> Iterator[_Note]:
    """The form of very old files, whose settings stand in the section of the catalog itself."""
    if isinstance(catalog.use_db, str):
        yield _as_text((*parent, "use_db"), catalog.use_db)
    if catalog.archive_driver == "localfs" and not catalog.use_db:
        yield from _directory(catalog.archive_data_dir, (*parent, "archive_data_dir"))


def _store(section: StoreSection, head: KeyPath) -> Iterator[_Note]:
    name, config = section.storage_driver.name, section.storage_driver.config or {}
    place = (*head, "storage_driver", "config")
    yield from _compression(section, head)
    match name:
        case "s3":
            yield from _switches(config, place, "iamauto", "create_bucket")
            yield from _prefix(config, place, "prefix")
            yield from _s3(config, place)
        case "swift":
            yield from _switches(config, place, "create_container")
            yield from _prefix(config, place, "anchore_key_prefix")
        case "localfs":
            yield from _directory(config.get("archive_data_dir"), (*place, "archive_data_dir"))
        case "db" | "db2":
            pass


def _compression(section: StoreSection, head: KeyPath) -> Iterator[_Note]:
    place, enabled = (*head, "compression", "enabled"), section.compression.enabled
    if isinstance(enabled, str):
        what = "is text, and Anchore takes any text here for false; write true or false without quotes"
        yield _Note("switch-as-text", place, what)
    elif enabled and section.storage_driver.name == "db":
        what = "is true, but driver db never compresses, so nothing is compressed; write false"
        yield _Note("compression-without-effect", place, what)


def _left_to_the_chart(working: StoreSection, head: KeyPath) -> Iterator[_Note]:
    """In values, the chart's own defaults come before Anchore's; of the working set, versions of it compress."""
    if head[:2] == CATALOG or working.storage_driver.name == "db":
        return
    if "enabled" not in working.compression.model_fields_set:
        what = "leaves compression to the chart, whose default differs between versions; restow takes it for off"
        yield _Note("compression-left-to-chart", head, f"{what}: write it out")


def _switches(config: Mapping[str, object], place: KeyPath, *keys: str) -> Iterator[_Note]:
    for key in keys:
        value = config.get(key)
        if isinstance(value, str):
            yield _as_text((*place, key), value)


def _as_text(place: KeyPath, value: str) -> _Note:
    taken = "any text here for true" if value else "empty text for false"
    what = f"is text, and Anchore takes {taken}; write true or false without quotes"
    return _Note("switch-as-text", place, what)


def _prefix(config: Mapping[str, object], place: KeyPath, key: str) -> Iterator[_Note]:
    if config.get(key, "") is None:
        what = "is null, and Anchore then writes keys that begin with the word None; write '' for no prefix"
        yield _Note("prefix-null", (*place, key), what)


def _s3(config: Mapping[str, object], place: KeyPath) -> Iterator[_Note]:
    keys = bool(config.get("access_key") and config.get("secret_key"))
    if keys and config.get("iamauto"):
        what = "is set beside two keys, and Anchore uses the keys; leave one of them out"
        yield _Note("keys-and-iamauto", (*place, "iamauto"), what)
    if config.get("create_bucket"):
        what = (
            "lets Anchore create the bucket when it is missing, so that a misspelt name is a new, empty bucket; "
            "Anchore's documentation wants it used very sparingly: create the bucket yourself and write false"
        )
        yield _Note("create-bucket", (*place, "create_bucket"), what)
    url = _URL.fullmatch(str(config.get("url") or ""))
    if url is not None:
        yield from _endpoint(url, str(config.get("bucket")).lower(), (*place, "url"), keys=keys)


def _endpoint(url: re.Match[str], bucket: str, place: KeyPath, *, keys: bool) -> Iterator[_Note]:
    scheme, host, path = url.groups()
    if scheme == "http":
        # Requests are signed, so the secret key itself is never on the wire, not even with http.
        seen = "the access key" if keys else "the session token of the role"
        what = (
            f"is not encrypted: {seen} and every document travel readable, and answers could be altered on the way "
            "(the secret key only signs and is not sent); write https if the endpoint offers it"
        )
        yield _Note("http-endpoint", place, what)
    twice = "Anchore adds the bucket once more, so that its name becomes part of every key; write the endpoint alone"
    if bucket in path.lower().split("/"):
        yield _Note("bucket-in-url", place, f"names the bucket, and {twice}")
    elif host.lower().startswith(f"{bucket}."):
        what = f"begins with the bucket's name; if that means the bucket and no server of that name, {twice}"
        yield _Note("bucket-in-url", place, what)


def _directory(directory: object, place: KeyPath) -> Iterator[_Note]:
    if isinstance(directory, str) and not directory.startswith("/"):
        what = (
            "is relative, and Anchore drops the first part of a relative path and writes under /; restow does not "
            "open it: write the whole path, from / on"
        )
        yield _Note("directory-not-absolute", place, what)


def _archive(archive: StoreSection, working: StoreSection, head: KeyPath) -> Iterator[_Note]:
    driver = archive.storage_driver.name
    if archive.compression.enabled is True and driver != "db":
        what = "is true, but the archive holds tar.gz, which compressing costs time and makes no smaller; write false"
        yield _Note("archive-compressed", (*head, "compression", "enabled"), what)
    places = {meaning.store(one).backend.identity for one in (archive, working)}
    # The database has one table for a driver, so nobody writes such a section to split.
    if len(places) == 1 and driver not in ("db", "db2"):
        what = (
            "names the place that object_store has, so nothing is split and rules for one apply to both; give it a "
            "bucket, prefix or directory of its own, or leave it out to share on purpose"
        )
        yield _Note("stores-in-one-place", head, what)


def _layer_cache(analyzer: object) -> Iterator[_Note]:
    if not isinstance(analyzer, Mapping):
        return
    enabled, size = analyzer.get("layer_cache_enable"), analyzer.get("layer_cache_max_gigabytes")
    if any(isinstance(value, str) and left_over(value) for value in (enabled, size)):
        return
    if isinstance(enabled, str):
        yield _as_text((*ANALYZER, "layer_cache_enable"), enabled)
    here = (*ANALYZER, "layer_cache_max_gigabytes")
    gigabytes = _whole(size)
    if not enabled:
        if gigabytes is not None and gigabytes > 0:
            what = "has no effect while layer_cache_enable is not true; switch the cache on, or leave the size out"
            yield _Note("layer-cache-off", here, what)
    elif "layer_cache_max_gigabytes" not in analyzer:
        what = (
            "switches the layer cache on without layer_cache_max_gigabytes, and Anchore then takes 1 GB; write the size"
        )
        yield _Note("layer-cache-size", (*ANALYZER, "layer_cache_enable"), what)
    elif gigabytes is None:
        what = "is no whole number, so Anchore cannot keep the layer cache within it; write 1 or more"
        yield _Note("layer-cache-size", here, what)
    elif gigabytes < _LEAST_CACHE_GIGABYTES:
        what = "is less than 1 GB, which counts as 0: what is cached is deleted again; write 1 or more"
        yield _Note("layer-cache-size", here, what)


def _whole(size: object) -> int | None:
    """Return the size as Anchore reads it, which is by Python's ``int``; None where that fails."""
    if not isinstance(size, str | int | float):
        return None
    try:
        return int(size)
    except ValueError:
        return None


def _package_db(data: object) -> Iterator[_Note]:
    if switch(at(data, PACKAGE_DB)) is False:
        what = (
            "is off, which saves space in the database and costs the policy trigger packages.verify, nothing else: "
            "policies with it are invalid then; write true if you have such a policy"
        )
        yield _Note("package-db-off", PACKAGE_DB, what)
