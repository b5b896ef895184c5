"""Writes the golden plans of the examples anew: ``make examples``. Their difference is to be reviewed."""

from __future__ import annotations

import tempfile
from pathlib import Path

import sqlalchemy as sa

from restow.demo.servers import PostgresServer, postgres
from tests.anchore import tables
from tests.examples.planning import PLANS, golden_plan, make_plan
from tests.examples.scenarios import ALL


def main() -> None:
    PLANS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, postgres(Path(directory) / "postgres") as server:
        for number, scenario in enumerate(ALL):
            work = Path(directory) / scenario.name
            planned = make_plan(scenario, _database(server, f"anchore_{number}"), work)
            planned.result.must_end(scenario.exit_code)
            golden_plan(scenario).write_bytes(planned.plan.read_bytes())
    for path in set(PLANS.iterdir()) - {golden_plan(scenario) for scenario in ALL}:
        path.unlink()


def _database(server: PostgresServer, name: str) -> str:
    """Return the URL of a new Anchore database."""
    administrator = _engine(server.url("postgres")).execution_options(isolation_level="AUTOCOMMIT")
    with administrator.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine = _engine(server.url(name))
    tables.create(engine)
    for one in (administrator, engine):
        one.dispose()
    return server.url(name)


def _engine(url: str) -> sa.Engine:
    return sa.create_engine(url.replace("postgresql://", "postgresql+pg8000://"))


if __name__ == "__main__":
    main()
