"""Sequences that somebody thought of, or that the machine found: as steps of the machine, with all it looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from tests.machine.machine import Machine, Through, Wish
from tests.machine.world import Die, World

DB, S3, FILES, DB2, COLLIDING, SAME_URLS, FURTHER, OTHER_FILES = range(8)
POLICY, BUNDLE, NEIGHBOUR = range(3)
SHORT, LONG = range(2)


@pytest.fixture
def machine(worlds: Callable[[], AbstractContextManager[World]]) -> Iterator[Machine]:
    """Four documents in S3, of both stores."""
    made = Machine(worlds)
    Machine.deployment(made, wish=shared(S3), written=[(0, SHORT), (1, LONG), (3, LONG), (4, SHORT)])
    yield made
    made.teardown()


def shared(place: int, *, compress: bool = False) -> Wish:
    return Wish(place, None, compress, compress)


def to(
    machine: Machine,
    place: int,
    *,
    keep: bool = True,
    accept: bool = False,
    through: Through = "clean",
    compress: bool = False,
) -> None:
    machine.move(shared(place, compress=compress), keep, accept, through, full=False, die=None)


def apply(machine: Machine, which: int = 0, *, through: Through = "clean", named: bool = False) -> None:
    machine.apply(which, through, full=False, named=named, die=None)


def undo(machine: Machine, which: int, *, die: Die | None = None) -> None:
    machine.undo_or_clean(which, "undo", die=die)


def clean(machine: Machine, which: int, *, die: Die | None = None) -> None:
    machine.undo_or_clean(which, "clean", die=die)


def written_again_after_undo(machine: Machine) -> None:
    """Where URLs do not tell, a document deleted at the new place and written again at the old one is not there yet."""
    to(machine, SAME_URLS)
    machine.delete([POLICY], payload_too=True)
    undo(machine, 0)
    machine.write([(POLICY, SHORT)], same_second=False)
    apply(machine)


def rewritten_between_undo_and_apply(machine: Machine) -> None:
    to(machine, DB2)
    undo(machine, 0)
    machine.write([(POLICY, LONG), (BUNDLE, LONG)], same_second=True)
    apply(machine)
    clean(machine, 0)
    machine.again()


def deleted_after_the_switch_and_undone(machine: Machine) -> None:
    to(machine, FILES)
    machine.delete([POLICY], payload_too=True)
    undo(machine, 0)
    clean(machine, 0)
    apply(machine)


def undo_dies_and_apply_follows(machine: Machine) -> None:
    to(machine, DB)
    machine.write([(NEIGHBOUR, LONG)], same_second=False)
    undo(machine, 0, die=(12, "after"))
    apply(machine, named=True)
    clean(machine, 0)


def a_document_goes_while_an_undo_is_under_way(machine: Machine) -> None:
    to(machine, DB)
    machine.write([(NEIGHBOUR, LONG)], same_second=False)
    for number in range(10, 40):
        undo(machine, 0, die=(number, "after"))
        if any(copy["user_id"] == "team-blue" and copy["state"] == "copied" for copy in machine.world.copies()):
            break
    machine.delete([NEIGHBOUR], payload_too=True)
    undo(machine, 0)
    clean(machine, 0)


def copied_ahead_to_a_place_that_was_given_up_for_a_while(machine: Machine) -> None:
    to(machine, DB, through="copy")
    to(machine, FILES, keep=False)
    machine.delete([POLICY], payload_too=True)
    to(machine, S3, keep=False)
    apply(machine, 2)


def clean_dies(machine: Machine) -> None:
    to(machine, DB)
    clean(machine, 0, die=(9, "before"))
    machine.damage(POLICY, 8, "flipped")
    clean(machine, 0)
    undo(machine, 0)


def the_first_of_two_is_cleaned_last(machine: Machine) -> None:
    to(machine, DB)
    to(machine, FILES)
    clean(machine, 1)
    undo(machine, 1)
    clean(machine, 0)
    undo(machine, 0)


def undone_twice(machine: Machine) -> None:
    to(machine, DB)
    to(machine, FURTHER)
    undo(machine, 0)
    machine.write([(POLICY, LONG)], same_second=True)
    undo(machine, 1)
    clean(machine, 0)
    clean(machine, 1)


def compression_changes_between_copy_and_apply(machine: Machine) -> None:
    to(machine, DB2, through="copy")
    machine.delete([POLICY], payload_too=True)
    to(machine, DB2, compress=True)
    undo(machine, 0)
    apply(machine, 1)
    clean(machine, 1)


def everything_is_deleted(machine: Machine) -> None:
    to(machine, DB2, through="verify")
    machine.delete([*range(6)], payload_too=True)
    apply(machine)
    machine.write([(POLICY, SHORT)], same_second=False)
    undo(machine, 0)
    clean(machine, 0)


def damaged_between_switch_and_clean(machine: Machine) -> None:
    to(machine, SAME_URLS, keep=False, through="switch")
    machine.damage(BUNDLE, 8, "gone")
    apply(machine, named=True)
    clean(machine, 0)
    undo(machine, 0)


def ways_back_damaged(machine: Machine) -> None:
    to(machine, SAME_URLS)
    machine.damage(POLICY, S3, "gone")
    machine.damage(BUNDLE, S3, "cut")
    undo(machine, 0)
    apply(machine)


def copies_damaged_before_the_switch(machine: Machine) -> None:
    to(machine, FILES, through="copy")
    machine.damage(POLICY, FILES, "gone")
    machine.damage(BUNDLE, FILES, "flipped")
    machine.run_beside_a_service(0, "apply")
    apply(machine)
    machine.verify(full=True)


def neighbours_meet(machine: Machine) -> None:
    """What is the way back of one document is where another one goes."""
    to(machine, COLLIDING)
    to(machine, DB)
    machine.write([(NEIGHBOUR, SHORT)], same_second=False)
    to(machine, S3, through="copy")
    undo(machine, 1)
    clean(machine, 1)
    to(machine, S3)
    clean(machine, 0)


def same_urls_there_and_back(machine: Machine) -> None:
    to(machine, SAME_URLS)
    machine.write([(POLICY, LONG)], same_second=True)
    to(machine, S3)
    machine.write([(POLICY, SHORT)], same_second=True)
    undo(machine, 0)
    undo(machine, 1)
    apply(machine, 1)
    apply(machine, 0)


def same_urls_with_the_first_plan_again(machine: Machine) -> None:
    to(machine, SAME_URLS, keep=False)
    to(machine, S3, keep=False)
    apply(machine, 1)


def undone_and_then_lost_at_the_source(machine: Machine) -> None:
    to(machine, DB)
    undo(machine, 0)
    machine.damage(POLICY, 8, "gone")
    clean(machine, 0)
    machine.repair()
    clean(machine, 0)


def lost_ones_are_left_behind_and_come_back(machine: Machine) -> None:
    """What nobody can read stays where it is, by the plan; after an undo it can be repaired."""
    machine.damage(POLICY, 8, "gone")
    machine.damage(BUNDLE, 8, "cut")
    to(machine, DB, accept=True)
    machine.write([(NEIGHBOUR, LONG)], same_second=False)
    clean(machine, 0)
    to(machine, FILES, accept=True)
    undo(machine, 0)
    clean(machine, 0)
    machine.write([(POLICY, SHORT), (BUNDLE, LONG)], same_second=False)
    to(machine, S3)
    machine.verify(full=True)


QUICK = (
    written_again_after_undo,
    a_document_goes_while_an_undo_is_under_way,
    copied_ahead_to_a_place_that_was_given_up_for_a_while,
    compression_changes_between_copy_and_apply,
    damaged_between_switch_and_clean,
)
LONGER = (
    rewritten_between_undo_and_apply,
    deleted_after_the_switch_and_undone,
    undo_dies_and_apply_follows,
    clean_dies,
    the_first_of_two_is_cleaned_last,
    undone_twice,
    everything_is_deleted,
    lost_ones_are_left_behind_and_come_back,
    ways_back_damaged,
    copies_damaged_before_the_switch,
    neighbours_meet,
    same_urls_there_and_back,
    same_urls_with_the_first_plan_again,
    undone_and_then_lost_at_the_source,
)

Sequence = Callable[[Machine], None]


@pytest.mark.parametrize("sequence", QUICK, ids=lambda sequence: sequence.__name__)
def test_sequence(machine: Machine, sequence: Sequence) -> None:
    sequence(machine)


@pytest.mark.long
@pytest.mark.parametrize("sequence", LONGER, ids=lambda sequence: sequence.__name__)
def test_longer_sequence(machine: Machine, sequence: Sequence) -> None:
    sequence(machine)
