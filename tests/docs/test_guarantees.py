"""docs/guarantees.md names tests, modules and promises: all of them are there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guarantees.md"
TEXT = PAGE.read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)+)`", TEXT)))


@cache
def functions(path: Path) -> frozenset[str]:
    """Return the functions of a file, those of a class after its name, as pytest writes both."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        match node:
            case ast.FunctionDef(name=name):
                found.add(name)
            case ast.ClassDef(name=name, body=body):
                found |= {f"{name}::{one.name}" for one in body if isinstance(one, ast.FunctionDef)}
            case _:
                pass
    return frozenset(found)


def table(heading: str) -> list[list[str]]:
    """Return the cells of each row of the table under a heading, without its head."""
    section = re.split(r"^## ", TEXT, flags=re.MULTILINE)
    (body,) = [one for one in section if one.startswith(f"{heading}\n")]
    rows = [line for line in body.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


@pytest.mark.parametrize("test", NAMED)
def test_every_test_that_is_named_is_one(test: str) -> None:
    path, _, function = test.partition("::")
    assert function in functions(ROOT / path)
    assert function.split("::")[-1].startswith("test_")


def test_no_test_is_named_in_another_way() -> None:
    assert len(re.findall(r"::test_|tests/", TEXT)) == 2 * len(re.findall(r"`tests/[\w/]+\.py(?:::\w+)+`", TEXT))


def test_every_invariant_is_there() -> None:
    numbers = dict.fromkeys(row[0] for row in table("Invariants"))
    assert list(numbers) == [f"I{number}" for number in range(1, 11)]


@pytest.mark.parametrize("heading", ["Invariants", "Around them", "With the guard removed"])
def test_every_promise_and_every_guard_has_a_proof(heading: str) -> None:
    rows = table(heading)
    assert rows
    for row in rows:
        assert all(row), row
        assert len(row) == (2 if heading == "With the guard removed" else 4), row
        assert "`tests/" in row[-1], row


def test_every_module_and_every_name_of_a_guard_is_there() -> None:
    modules = re.findall(r"`((?:schemas|stores|planner|executor|restow)/\w+\.py)`", TEXT)
    assert [module for module in modules if not (ROOT / module).exists()] == []
    for guard, _ in table("With the guard removed"):
        (name, module) = re.findall(r"\(`([\w.]+)` in `([\w/.]+)`\)", guard)[0]
        assert re.search(rf"\b{re.escape(name)}\b", (ROOT / module).read_text(encoding="utf-8")), guard


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)", TEXT)
    assert links
    assert [link for link in links if not (PAGE.parent / link).exists()] == []
