"""``check``: a test document goes to a config's backend and back, and is removed, whatever happens in between."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from schemas.backend import Backend
from schemas.config import StorageConfig, StoreName
from schemas.errors import RestowError, UnreachableError
from stores.database import Database
from stores.interface import DocumentName, Fault, Store
from stores.locations import content_url
from stores.opening import open_store

BUCKET = "restow_check"
PAYLOAD_BYTES = 1000


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was tried; ``detail`` says what came of it."""

    name: str
    detail: str


@dataclass(frozen=True)
class StoreCheck:
    """One backend: the steps that went well, and the one that did not."""

    stores: tuple[StoreName, ...]
    backend: Backend
    passed: tuple[Step, ...]
    failed: Step | None
    error: RestowError | None
    """Why; it carries the exit code."""


def check(config: StorageConfig, stores: Sequence[StoreName], database: Database | None) -> tuple[StoreCheck, ...]:
    """Check the backends of ``stores``, each once. Raises ConfigError for a driver that is not supported."""
    backends: dict[str, list[StoreName]] = {}
    for name in stores:
        backends.setdefault(config.store(name).backend.identity, []).append(name)
    return tuple(_check_backend(config, tuple(names), database) for names in backends.values())


def _check_backend(config: StorageConfig, names: tuple[StoreName, ...], database: Database | None) -> StoreCheck:
    store = open_store(config.store(names[0]), database, connections=1)
    try:
        return _round_trip(store, names)
    finally:
        store.close()


def _round_trip(store: Store, names: tuple[StoreName, ...]) -> StoreCheck:
    token = secrets.token_hex(16)
    url = content_url(store.backend.location, DocumentName(BUCKET, token, "restow", f"{token}.json"))
    payload = secrets.token_bytes(PAYLOAD_BYTES)
    steps: tuple[tuple[str, Callable[[], str]], ...] = (
        ("reach", lambda: _reach(store)),
        ("prepare", lambda: _prepare(store)),
        ("put", lambda: _put(store, url, payload)),
        ("get", lambda: _get(store, url, payload)),
        ("digest", lambda: _digest(store, url)),
        ("delete", lambda: _delete(store, url)),
    )
    passed: list[Step] = []
    for name, step in steps:
        try:
            passed.append(Step(name, step()))
        except RestowError as error:
            _remove(store, url)
            return StoreCheck(names, store.backend, tuple(passed), Step(name, error.message), error)
    return StoreCheck(names, store.backend, tuple(passed), None, None)


def _reach(store: Store) -> str:
    store.check_access()
    return "it answers, the credentials hold, and it may be listed"


def _prepare(store: Store) -> str:
    store.prepare()
    return "the place is there"


def _put(store: Store, url: str, payload: bytes) -> str:
    (answer,) = store.write([(url, payload)])
    if isinstance(answer, Fault):
        raise UnreachableError(answer.detail, hint="the backend refuses to store a document; look at its settings")
    return f"{len(payload)} bytes were accepted"


def _get(store: Store, url: str, payload: bytes) -> str:
    (answer,) = store.read([url])
    if answer != payload:
        said = answer.detail if isinstance(answer, Fault) else f"{url} does not hold what was written there"
        raise UnreachableError(said, hint="the backend does not give back what it is given; do not use it")
    return "the same bytes came back"


def _digest(store: Store, url: str) -> str:
    if store.prove_digests(url):
        return "it tells the MD5 of what it stores, so copies need not be read back"
    return "its ETag is not the MD5 of what it stores, so every copy is read back"


def _delete(store: Store, url: str) -> str:
    (fault,) = store.delete([url])
    if fault is not None:
        raise UnreachableError(fault.detail, hint=f"remove {url} by hand")
    if isinstance(store.read([url])[0], bytes):
        raise UnreachableError(f"{url} is still there after its deletion", hint="remove it by hand")
    return "the test document is gone"


def _remove(store: Store, url: str) -> None:
    """Remove what a failed check may have left. What failed is told already; this may fail for the same reason."""
    try:
        store.delete([url])
    except RestowError:
        return
