"""``check``: try a config's backends with a test document, and say which step fails."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from restow.files import print_product
from restow.global_options import GlobalOptions
from restow.signals import unwind_on_signals
from schemas.config import StorageConfig, StoreName

if TYPE_CHECKING:
    from executor.check import StoreCheck
    from stores.database import Database


def run_check(options: GlobalOptions, path: Path, store: StoreName | None) -> int:
    """Check the backends of both stores, or of one; print the steps. Raises the first error that a step ended with."""
    from executor.check import check
    from planner.load import load_config, require_secrets

    config = load_config(path, environment=os.environ)
    names: tuple[StoreName, ...] = ("object_store", "analysis_archive") if store is None else (store,)
    require_secrets(config, names)
    database = _database(options, config, names)
    try:
        with unwind_on_signals():
            found = check(config, names, database)
    finally:
        if database is not None:
            database.close()
    print_product("".join(_text(one) for one in found))
    for step in (step for one in found for step in one.steps):
        if step.error is not None:
            raise step.error
    return 0


def _database(options: GlobalOptions, config: StorageConfig, names: tuple[StoreName, ...]) -> Database | None:
    """Open the database only when a store is in it."""
    if any(config.store(name).driver.name in {"db", "db2"} for name in names):
        return options.database(config)
    return None


def _text(one: StoreCheck) -> str:
    from planner.visible import visible

    failed = one.failed
    verdict = "in order" if failed is None else f"fails at step {failed.name}"
    lines = [f"{' and '.join(one.stores)} in {one.backend.name}: {verdict}"]
    lines += [f"  {step.name:11} {'' if step.error is None else 'FAILED: '}{step.detail}" for step in one.steps]
    return "".join(f"{visible(line)}\n" for line in lines)
