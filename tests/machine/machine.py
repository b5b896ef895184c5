"""Anchore, an operator and accidents, in any order: after each step an outsider looks at everything.

The model is a dict of contents. What the test itself has damaged may stay unreadable; it may never be counted as well,
never be switched to, and its last good payload never be deleted. All else is read under the configuration in force.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from typing import Literal

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.anchore.config import S3, Config, Localfs, Place, Section
from tests.anchore.documents import BOTH
from tests.anchore.writer import NOW, Writer
from tests.machine.documents import CONTENTS, SLOTS
from tests.machine.model import Model, digest
from tests.machine.operating import Command, Operator, joined
from tests.machine.world import Die, World

Through = Literal["copy", "verify", "switch", "clean"]
Damage = Literal["gone", "flipped", "cut", "another's"]


@dataclass(frozen=True)
class Wish:
    """A configuration, by the numbers of its places."""

    working: int
    archive: int | None
    compress: bool
    compress_archive: bool


PLACES = 8
EVERY = [*range(len(SLOTS))]

wishes = st.builds(
    Wish, st.integers(0, PLACES - 1), st.none() | st.integers(0, PLACES - 1), st.booleans(), st.booleans()
)
slots = st.sampled_from(EVERY)
writes = st.lists(st.tuples(slots, st.integers(0, len(CONTENTS) - 1)), max_size=4)
plans = st.integers(0, 3)
"""Which plan: 0 is the latest."""
throughs: st.SearchStrategy[Through] = st.sampled_from(("clean", "switch", "copy", "verify"))
deaths: st.SearchStrategy[Die | None] = st.none() | st.tuples(st.integers(1, 80), st.sampled_from(("before", "after")))
buckets = st.sampled_from((None, None, None, "policy_bundles"))
damages: st.SearchStrategy[Damage] = st.sampled_from(("gone", "flipped", "cut", "another's"))


class Machine(RuleBasedStateMachine):
    def __init__(self, worlds: Callable[[], AbstractContextManager[World]]) -> None:
        super().__init__()
        self._exit = ExitStack()
        self.world = self._exit.enter_context(worlds())
        self._ticks = NOW
        self._intact: dict[str, bytes] = {}
        """What was damaged since, by address."""

    def teardown(self) -> None:  # type: ignore[explicit-override]  # typing.override is not in Python 3.11
        self._exit.close()

    @initialize(wish=wishes, written=writes)
    def deployment(self, wish: Wish, written: list[tuple[int, int]]) -> None:
        self.model = Model(self.world, self._config(wish), self.world.look())
        self.operator = Operator(self.world, self.model)
        self.operator.put_in_force(self.model.in_force)
        self.write(written, same_second=False)

    # Anchore.

    @rule(written=writes, same_second=st.booleans())
    def write(self, written: list[tuple[int, int]], same_second: bool) -> None:
        """Write or rewrite documents, in a later second than all before or in that of each one's last change."""
        for slot, content in written:
            document = replace(SLOTS[slot], content=CONTENTS[content])
            row = self.world.row(document)
            # Of a row without digest nobody could tell.
            at = row["last_updated"] if same_second and row and row["digest"] else self._later()
            self.model.remember(document)
            self._anchore.put(document, at=at)
        self.operator.something_happened()

    @rule(slot=slots)
    def write_as_long_ago(self, slot: int) -> None:
        """Without digest and size in the row."""
        document = replace(SLOTS[slot], content=CONTENTS[0], old_row=True)
        self.model.remember(document)
        self._anchore.put(document, at=self._later())
        self.operator.something_happened()

    @rule(slot=slots, content=st.integers(0, len(CONTENTS) - 1))
    def half_write(self, slot: int, content: int) -> None:
        """Anchore dies between payload and row."""
        document = replace(SLOTS[slot], content=CONTENTS[content])
        row = self.world.row(document)
        if row is None or row["digest"] is not None:
            self.model.remember_content(document)
            self._anchore.put_payload(document)
            self.operator.something_happened()

    @rule(which=slots.map(lambda slot: [slot]) | st.just(EVERY), payload_too=st.booleans())
    def delete(self, which: Iterable[int], payload_too: bool) -> None:
        for document in (SLOTS[slot] for slot in which):
            if document.name in self.model.documents:
                self.model.forget(document.name)
                self._anchore.delete_row(document)
                if payload_too:
                    self._anchore.delete_payload(document)
        self.operator.something_happened()

    # Accidents.

    @rule(slot=slots, place=st.integers(0, PLACES), damage=damages)
    def damage(self, slot: int, place: int, damage: Damage) -> None:
        """Spoil what stands at a place for a document, or put something there. The last place: the one in force."""
        document = SLOTS[slot]
        where = (*self.world.places, self.model.place(document.store))[place]
        now, address = self.operator.before(), self.world.address_of(where, document)
        named = [row for row in now.rows.values() if self.model.address(row) == address]
        if named and address in now.payloads and not self.model.lost & {document.name}:
            self._intact[address] = now.payloads[address].content
        if damage == "gone":
            self.world.at(where).delete_payload(document)
        elif all(row["digest"] for row in named):  # else nobody could tell
            spoiled = _spoiled(now.payloads[address].content if address in now.payloads else b"", damage)
            self.world.at(where).store_payload(document, spoiled)
            self.model.spoiled[address] = spoiled
        self.operator.something_happened()

    @rule()
    def repair(self) -> None:
        """Put back what was damaged under a row that still says the same."""
        for name in self.model.lost:
            document, row = self.model.documents[name], self.operator.before().rows[name]
            address = self.world.address_of(self.model.place(document.store), document)
            if address == self.model.address(row) and digest(self._intact.get(address)) == row["digest"]:
                self._anchore.store_payload(document, self._intact[address])
        self.operator.something_happened()

    # The operator.

    @rule(wish=wishes)
    def edit(self, wish: Wish) -> None:
        """Change compression without a move, or a place within what Anchore reads all the same."""
        wished, now = self._config(wish), self.model.in_force
        sections = {store: self._edited(now.section(store), wished.section(store)) for store in BOTH}
        edited = joined(sections["object_store"], sections["analysis_archive"])
        self.operator.edited |= any(edited.section(store).place != self.model.place(store) for store in BOTH)
        self.operator.put_in_force(edited)
        self.operator.something_happened()

    @rule(wish=wishes, keep=st.booleans(), accept=st.booleans(), bucket=buckets)
    def plan(self, wish: Wish, keep: bool, accept: bool, bucket: str | None) -> None:
        self.operator.plan(self._config(wish), keep=keep, accept=accept, bucket=bucket)

    @rule(wish=wishes, keep=st.booleans(), accept=st.booleans(), through=throughs, full=st.booleans(), die=deaths)
    def move(self, wish: Wish, keep: bool, accept: bool, through: Through, full: bool, die: Die | None) -> None:
        """Plan and apply."""
        self.operator.plan(self._config(wish), keep=keep, accept=accept)
        self.operator.apply(self.operator.planned(0), through=through, full=full, named=False, die=die)

    @precondition(lambda self: self.operator.plans)
    @rule(which=plans, keep=st.booleans(), through=throughs, full=st.booleans(), die=deaths)
    def go_back(self, which: int, keep: bool, through: Through, full: bool, die: Die | None) -> None:
        """Plan to go where a plan came from, and apply that."""
        self.operator.plan(self.operator.planned(which).source, keep=keep, accept=False)
        self.operator.apply(self.operator.planned(0), through=through, full=full, named=False, die=die)

    @precondition(lambda self: self.operator.plans)
    @rule(which=plans, through=throughs, full=st.booleans(), named=st.booleans(), die=deaths)
    def apply(self, which: int, through: Through, full: bool, named: bool, die: Die | None) -> None:
        self.operator.apply(self.operator.planned(which), through=through, full=full, named=named, die=die)

    @precondition(lambda self: self.operator.plans)
    @rule(which=plans, command=st.sampled_from(("undo", "clean")), die=deaths)
    def undo_or_clean(self, which: int, command: Command, die: Die | None) -> None:
        planned = self.operator.planned(which)
        self.operator.run(command, planned, ["--source", planned.old_file], die=die)

    @precondition(lambda self: self.operator.last)
    @rule()
    def again(self) -> None:
        self.operator.again()

    @precondition(lambda self: self.operator.plans)
    @rule(which=plans, command=st.sampled_from(("apply", "undo")))
    def run_beside_a_service(self, which: int, command: Command) -> None:
        self.operator.run_beside_a_service(command, self.operator.planned(which))

    @precondition(lambda self: self.operator.plans)
    @rule(which=plans, what=st.sampled_from(("show", "status", "apply", "undo", "clean")))
    def look(self, which: int, what: str) -> None:
        self.operator.look(self.operator.planned(which), what)

    @rule(full=st.booleans())
    def verify(self, full: bool) -> None:
        self.operator.verify(full=full)

    # What rules are made of.

    @property
    def _anchore(self) -> Writer:
        return self.world.anchore(self.model.in_force)

    def _later(self) -> int:
        self._ticks += 1
        return self._ticks

    def _config(self, wish: Wish) -> Config:
        working = Section(self.world.places[wish.working], 1 if wish.compress else None)
        if wish.archive is None:
            return Config(working)
        return joined(working, Section(self.world.places[wish.archive], 1 if wish.compress_archive else None))

    def _edited(self, now: Section, wished: Section) -> Section:
        """Return the section with the wished compression, and the wished place if what is there stays readable."""
        stays = _stays_readable(now.place, wished.place) and self.world.colliding not in {now.place, wished.place}
        return wished if stays else replace(now, compress_above_kbytes=wished.compress_above_kbytes)


def _stays_readable(now: Place, wished: Place) -> bool:
    match now, wished:
        case S3(), S3():
            return now.url == wished.url
        case _:
            return isinstance(now, Localfs) and isinstance(wished, Localfs)


def _spoiled(there: bytes, damage: Damage) -> bytes:
    if damage == "another's" or not there:
        return b'{"document": "of nobody"}'
    if damage == "cut":
        return there[: len(there) // 2]
    return bytes([there[0] ^ 1]) + there[1:]
