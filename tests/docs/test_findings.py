"""docs/findings.md has one section for each code that a plan can hold, and says of it what the program does."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from planner.acceptance import ACCEPTABLE
from planner.config_findings import config_findings
from planner.deep import CODES
from schemas.config import Oddity, OddityCode
from schemas.plan import ONLY_THE_SWITCH, Severity
from tests.planner.storage_configs import DB, config

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "findings.md"
ROOMS = ("schemas", "stores", "planner", "executor", "restow")
ODDITIES: tuple[OddityCode, ...] = get_args(OddityCode)


def sections() -> list[tuple[str, str]]:
    """Return each code of the page with the line under its heading."""
    return re.findall(r"^### `([a-z0-9-]+)`\n\n(.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def described() -> dict[str, str]:
    """Return the severity that the page gives each code."""
    return {code: line.strip("*").partition("**")[0] for code, line in sections()}


def written() -> Iterator[tuple[str, ast.expr, ast.expr]]:
    """Yield module, code and severity, as the source has them, of every place that makes a finding.

    Read from the source, for a finding that no test provokes is one too. A function that takes code and severity first
    only passes them on: what counts is what it is called with.
    """
    for path in (path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        helpers = [one for one in functions if [arg.arg for arg in one.args.args[:2]] == ["code", "severity"]]
        within = {id(node) for helper in helpers for node in ast.walk(helper)}
        makers = {"Finding", *(helper.name for helper in helpers)}
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name in makers:
                    named = {keyword.arg: keyword.value for keyword in keywords}
                    code, severity = [*args[:2], *(named[key] for key in ("code", "severity") if key in named)]
                    if id(node) not in within:
                        yield path.name, code, severity


def made() -> dict[str, str]:
    """Return the severity of each code, also of those that are not written where the finding is made."""
    found: dict[str, str] = {}
    variable: list[str] = []
    for module, code, severity in written():
        match module, code, severity:
            case _, ast.Constant(value=str(name)), ast.Constant(value=str(grade)):
                assert found.setdefault(name, grade) == grade, f"{name} has two severities"
            case "findings.py", _, ast.Constant(value=str(grade)):
                variable.append(module)
                found |= dict.fromkeys(CODES.values(), grade)
            case "config_findings.py", _, _:
                variable.append(module)
                found |= {name: told(name, of_source=False) for name in ODDITIES}
            case _:
                pytest.fail(f"{module} makes a finding whose code cannot be told here: {ast.unparse(code)}")
    assert sorted(variable) == ["config_findings.py", "findings.py"], "teach this test what else they may make"
    return found


def told(oddity: OddityCode, *, of_source: bool) -> Severity:
    plain = config(DB)
    odd = config(DB).model_copy(update={"oddities": (Oddity(code=oddity, path="a.b", line=1, what="is odd"),)})
    (finding,) = config_findings(*((odd, plain) if of_source else (plain, odd)))
    assert finding.code == oddity
    return finding.severity


def test_every_finding_has_one_section_and_every_section_is_a_finding() -> None:
    codes = [code for code, _ in sections()]
    assert sorted(codes) == sorted(made())
    assert len(codes) == len(re.findall(r"^### ", PAGE.read_text(encoding="utf-8"), re.MULTILINE))


def test_the_severity_is_the_programs() -> None:
    assert described() == made()


def test_what_the_source_alone_has_is_information_but_for_the_exception_that_the_page_names() -> None:
    exceptions = {code for code in ODDITIES if told(code, of_source=True) != "info"}
    assert exceptions == {"directory-not-absolute"}
    assert "The exception is `directory-not-absolute`" in " ".join(PAGE.read_text(encoding="utf-8").split())


def test_what_ignore_takes_is_what_the_page_says_can_be_taken_on() -> None:
    assert {code for code, line in sections() if "can be taken on" in line} == ACCEPTABLE


def test_what_holds_back_the_switch_only_is_said() -> None:
    assert {code for code, line in sections() if "holds back the switch only" in line} == ONLY_THE_SWITCH


def test_the_sections_say_what_it_means_and_what_to_do() -> None:
    bodies = re.split(r"^#+ .*$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    of_codes = [body for body in bodies if body.strip().startswith("**")]
    assert len(of_codes) == len(sections())
    for body in of_codes:
        assert len(body.strip().split("\n\n")) >= 3, body
