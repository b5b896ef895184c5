"""The gate before the switch: no Anchore service may be live.

A service is live when its heartbeat has changed since the run began. One that could still be live, because its
heartbeat is younger than 90 s, is watched until it advances or 75 s have passed since the first look: Anchore writes it
about once a minute.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from schemas.errors import RefusedError
from stores.catalog import Service, services
from stores.database import Database

YOUNG_SECONDS = 90
WATCH_SECONDS = 75.0
INTERVAL_SECONDS = 1.0


@dataclass(frozen=True)
class Watch:
    """The first look at the services, and the clock it was taken by."""

    first: dict[tuple[str, str], int]
    """Heartbeat by host and service."""
    taken: float
    clock: Callable[[], float]
    pause: Callable[[float], object]


def begin_watch(database: Database, *, clock: Callable[[], float], pause: Callable[[float], object]) -> Watch:
    seen = database.run(services)
    return Watch({(one.host, one.name): one.heartbeat for one in seen}, clock(), clock, pause)


def refuse_live_services(database: Database, watch: Watch, note: Callable[[str], None]) -> None:
    """Return once no service can be live. Raises RefusedError that names the ones that are."""
    told = False
    while True:
        now = database.run(services)
        live = [one for one in now if watch.first.get((one.host, one.name)) != one.heartbeat]
        if live:
            raise RefusedError(
                f"Anchore is running: {_list(live)} wrote a heartbeat since this run began",
                hint="stop every Anchore service on every node, then run the same command again; "
                "the copies made so far are kept",
            )
        young = [one for one in now if one.age < YOUNG_SECONDS]
        left = watch.taken + WATCH_SECONDS - watch.clock()
        if not young or left <= 0:
            return
        if not told:
            note(f"waiting up to {left:.0f} s to see that {_list(young)} have stopped")
            told = True
        watch.pause(min(INTERVAL_SECONDS, left))


def _list(found: list[Service]) -> str:
    return ", ".join(f"{one.name} on {one.host}" for one in found)
