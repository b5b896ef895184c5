"""An Anchore database as the planner reads it, and plain SQL to fill it with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from stores.database import Database, DatabaseOptions
from tests.planner.table import Table


@pytest.fixture
def database(anchore_database: str) -> Iterator[Database]:
    made = Database(SecretStr(anchore_database), DatabaseOptions(timeout=60.0, retries=0))
    yield made
    made.close()


@pytest.fixture
def table(anchore_database: str) -> Iterator[Table]:
    made = Table.of(anchore_database)
    yield made
    made.engine.dispose()
