"""Anchore's database as a run has it opened, for the parts of the executor that need no more."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from stores.database import Database, DatabaseOptions


@pytest.fixture
def database(anchore_database: str) -> Iterator[Database]:
    made = Database(SecretStr(anchore_database), DatabaseOptions(retries=0))
    with contextlib.closing(made):
        yield made
