"""The gate before the switch, on a real ``services`` table and a clock that the test moves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from executor.services import Watch, begin_watch, refuse_live_services
from schemas.errors import RefusedError
from stores.database import Database


class Clock:
    """Time passes only by waiting; ``heartbeats`` says after how many seconds which service writes its next one."""

    def __init__(self, engine: sa.Engine) -> None:
        self.now = 1000.0
        self.waited = 0.0
        self.heartbeats: dict[float, str] = {}
        self._engine = engine

    def pause(self, seconds: float) -> None:
        self.now += seconds
        self.waited += seconds
        for due in [due for due in self.heartbeats if due <= self.waited]:
            with self._engine.begin() as connection:
                connection.execute(
                    sa.text("UPDATE services SET heartbeat = heartbeat + 60 WHERE servicename = :name"),
                    {"name": self.heartbeats.pop(due)},
                )


@pytest.fixture
def engine(anchore_database: str) -> Iterator[sa.Engine]:
    made = sa.create_engine(anchore_database.replace("postgresql://", "postgresql+pg8000://"))
    yield made
    made.dispose()


@pytest.fixture
def clock(engine: sa.Engine) -> Clock:
    return Clock(engine)


def add_service(engine: sa.Engine, name: str, *, age: int) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO services (hostid, servicename, status, heartbeat) "
                "VALUES ('node-1', :name, true, extract(epoch FROM now())::integer - :age)"
            ),
            {"name": name, "age": age},
        )


def watch(database: Database, clock: Clock) -> Watch:
    return begin_watch(database, clock=lambda: clock.now, pause=clock.pause)


def test_no_service_at_all_lets_the_switch_through_at_once(database: Database, clock: Clock) -> None:
    refuse_live_services(database, watch(database, clock), note=lambda _text: None)
    assert clock.waited == 0


def test_a_service_silent_for_long_lets_it_through_at_once(database: Database, engine: sa.Engine, clock: Clock) -> None:
    add_service(engine, "catalog", age=3600)
    refuse_live_services(database, watch(database, clock), note=lambda _text: None)
    assert clock.waited == 0


def test_a_service_whose_heartbeat_changed_since_the_start_is_live(
    database: Database, engine: sa.Engine, clock: Clock
) -> None:
    add_service(engine, "catalog", age=3600)
    begun = watch(database, clock)
    clock.heartbeats[0.0] = "catalog"
    clock.pause(0)
    with pytest.raises(RefusedError, match="catalog on node-1") as refused:
        refuse_live_services(database, begun, note=lambda _text: None)
    assert "stop every Anchore service" in refused.value.hint


def test_a_service_that_registers_meanwhile_is_live(database: Database, engine: sa.Engine, clock: Clock) -> None:
    begun = watch(database, clock)
    add_service(engine, "analyzer", age=0)
    with pytest.raises(RefusedError, match="analyzer on node-1"):
        refuse_live_services(database, begun, note=lambda _text: None)


def test_a_young_heartbeat_is_watched_until_it_advances(database: Database, engine: sa.Engine, clock: Clock) -> None:
    add_service(engine, "catalog", age=5)
    clock.heartbeats[40.0] = "catalog"
    notes: list[str] = []
    with pytest.raises(RefusedError, match="catalog on node-1"):
        refuse_live_services(database, watch(database, clock), notes.append)
    assert 40 <= clock.waited < 45
    assert len(notes) == 1
    assert "catalog on node-1" in notes[0]


def test_a_young_heartbeat_that_never_advances_lets_it_through_after_75_seconds(
    database: Database, engine: sa.Engine, clock: Clock
) -> None:
    add_service(engine, "catalog", age=5)
    refuse_live_services(database, watch(database, clock), note=lambda _text: None)
    assert clock.waited == pytest.approx(75)


def test_time_that_copying_took_counts_as_watching(database: Database, engine: sa.Engine, clock: Clock) -> None:
    add_service(engine, "catalog", age=5)
    begun = watch(database, clock)
    clock.now += 3600
    refuse_live_services(database, begun, note=lambda _text: None)
    assert clock.waited == 0
