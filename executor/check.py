"""``check``: a test document goes to a config's backend and back, and is removed, whatever happens in between."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from schemas.backend import Backend
from schemas.config import StorageConfig, StoreConfig, StoreName
from schemas.errors import ConfigError, DeniedError, RestowError, UnreachableError
from stores.access import Part, first_obstacle, parts
from stores.database import Database
from stores.interface import DocumentName, Fault, Store
from stores.locations import content_url
from stores.opening import open_store

BUCKET = "restow_check"
PAYLOAD_BYTES = 1000

IN_ORDER: dict[Part, str] = {
    "endpoint": "it answers",
    "credentials": "they are accepted",
    "bucket": "it is there",
    "table": "it is there",
    "directory": "it is there",
    "list": "allowed",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was tried; ``detail`` says in one line what came of it."""

    name: str
    detail: str
    error: RestowError | None = None
    """Why it failed; it carries the exit code."""


@dataclass(frozen=True)
class StoreCheck:
    """One backend, and the steps as far as they went: after the first that fails only ``delete`` is tried."""

    stores: tuple[StoreName, ...]
    backend: Backend
    steps: tuple[Step, ...]

    @property
    def failed(self) -> Step | None:
        return next((step for step in self.steps if step.error is not None), None)


def check(config: StorageConfig, stores: Sequence[StoreName], database: Database | None) -> tuple[StoreCheck, ...]:
    """Check the backends of ``stores``; stores with the same place and the same credentials together.

    Raises nothing for a step that fails: the values say so.
    """
    groups: list[tuple[StoreConfig, list[StoreName]]] = []
    for name in stores:
        one = config.store(name)
        known = next((names for other, names in groups if other.driver == one.driver), None)
        if known is None:
            groups.append((one, [name]))
        else:
            known.append(name)
    return tuple(StoreCheck(tuple(names), one.backend, tuple(_steps(one, database))) for one, names in groups)


def _steps(config: StoreConfig, database: Database | None) -> Iterator[Step]:
    try:
        store = open_store(config, database, connections=1)
    except ConfigError as error:
        yield Step("settings", error.message, error)
        return
    except DeniedError as error:
        yield Step("credentials", error.message, error)
        return
    try:
        obstacle = first_obstacle(config, store, database)
        for part in parts(config):
            if obstacle is not None and part == obstacle.part:
                break
            yield Step(part, IN_ORDER[part])
        if obstacle is None:
            yield from _round_trip(store)
        else:
            yield Step(obstacle.part, obstacle.error.message, obstacle.error)
    finally:
        store.close()


def _round_trip(store: Store) -> Iterator[Step]:
    token = secrets.token_hex(16)
    url = content_url(store.backend.location, DocumentName(BUCKET, token, "restow", f"{token}.json"))
    payload = secrets.token_bytes(PAYLOAD_BYTES)
    steps: list[Step] = []
    try:
        steps.append(_step("put", lambda: _put(store, url, payload)))
        if steps[-1].error is None:
            steps.append(_step("get", lambda: _get(store, url, payload)))
    finally:
        steps.append(_step("delete", lambda: _delete(store, url)))
    yield from steps
    if all(step.error is None for step in steps):
        yield _step("digest", lambda: _digest(store, url))


def _step(name: str, attempt: Callable[[], str]) -> Step:
    try:
        return Step(name, attempt())
    except RestowError as error:
        return Step(name, error.message, error)


def _put(store: Store, url: str, payload: bytes) -> str:
    (answer,) = store.write([(url, payload)])
    if isinstance(answer, Fault):
        raise UnreachableError(answer.detail, hint="the backend refuses to store a document; look at its settings")
    return f"{len(payload)} bytes are accepted"


def _get(store: Store, url: str, payload: bytes) -> str:
    (answer,) = store.read([url])
    if answer != payload:
        said = answer.detail if isinstance(answer, Fault) else f"{url} does not hold what was written there"
        raise UnreachableError(said, hint="the backend does not give back what it is given; do not use it")
    return "the same bytes come back"


def _delete(store: Store, url: str) -> str:
    left, hint = f"the test document {url} may be left behind", "remove it by hand"
    try:
        (fault,) = store.delete([url])
    except DeniedError as error:
        raise DeniedError(f"{error.message}; {left}", hint=f"{hint}; {error.hint}") from error
    except UnreachableError as error:
        raise UnreachableError(f"{error.message}; {left}", hint=hint) from error
    if fault is not None:
        raise UnreachableError(f"{fault.detail}; {left}", hint=hint)
    return "the test document is removed"


def _digest(store: Store, url: str) -> str:
    if store.prove_digests(url):
        return "it tells the MD5 of what it stores, so copies need not be read back"
    return "its ETag is not the MD5 of what it stores, so every copy is read back"
