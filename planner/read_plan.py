"""Plan files, read as what they are: input from outside, approved by a person, maybe edited since.

The digest is taken of the JSON as it stands in the file, so that a plan of a newer minor version, which may say more
than this version knows, still proves to be the one that was made.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from planner.mistakes import dotted
from planner.text_file import named
from planner.visible import visible
from schemas.canonical import canonical_text, digest
from schemas.errors import PlanError, UsageError
from schemas.plan import FORMAT_VERSION, Plan

MAX_BYTES = 16 << 20
"""Of a file; a plan has some kilobytes, a report some hundred bytes for each document that failed."""
MAX_DEPTH = 100
"""Levels of lists and objects in a file; a plan has about ten."""
MAX_VALUES = 200_000
"""Values in a file, estimated before it is parsed, so that memory is bounded; a bucket has eight."""
MAX_MISTAKES = 20
"""Mistakes told one by one; more are counted."""
_LOCATIONS = {
    "db": "DbLocation",
    "db2": "Db2Location",
    "s3": "S3Location",
    "localfs": "LocalfsLocation",
    "swift": "SwiftLocation",
}
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_AGAIN = "Make a new plan with `restow plan`."
_NAME_IT = "Name the file that `restow plan -o FILE` wrote."


def read_plan(path: Path, *, expect: str | None = None) -> Plan:
    """Return the plan in ``path``, proved to be as it was made and, with ``expect``, to be the one with that digest.

    Raises PlanError if the file cannot be read, is no plan, is of a newer major version, was edited, or is another
    plan than expected; UsageError if ``expect`` is not ``sha256:`` and 64 hexadecimal digits.
    """
    if expect is not None and not _DIGEST.fullmatch(expect):
        raise UsageError(
            f"--expect takes sha256: and 64 hexadecimal digits, not '{visible(expect[:100])}'.",
            hint="Copy it from the plan's plan_digest or from the end of `restow show`.",
        )
    name = visible(named(str(path)))
    content = read_object(path)
    newer = _newer_minor(content, name)
    # First: what is not as it was made need not be understood, and to list its mistakes can take a lot of memory.
    _check_digests(content, name, expect)
    return _validated(content, name, newer=newer)


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in ``path``, whatever it means. Raises PlanError."""
    name = visible(named(str(path)))
    return _parsed(_bytes(path, name), name)


def _bytes(path: Path, name: str) -> bytes:
    try:
        # Not to wait for the other end of a FIFO.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _unreadable(name, error) from error
    except ValueError as error:  # a NUL in the path, or half a surrogate pair
        raise PlanError(f"{name} cannot be the path of a file.", hint=_NAME_IT) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise PlanError(f"{name} is not a regular file.", hint=_NAME_IT)
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(name, error) from error
    finally:
        os.close(descriptor)
    if len(content) > MAX_BYTES:
        raise PlanError(f"{name} is larger than {MAX_BYTES >> 20} MiB: this is no plan.", hint=_NAME_IT)
    if sum(content.count(mark) for mark in (b",", b"[", b"{")) >= MAX_VALUES:
        raise PlanError(f"{name} holds more than {MAX_VALUES:,} values: this is no plan.", hint=_NAME_IT)
    return content


def _unreadable(name: str, error: OSError) -> PlanError:
    return PlanError(f"{name} cannot be read: {error.strerror}.", hint=_NAME_IT)


def _parsed(content: bytes, name: str) -> dict[str, Any]:
    try:
        value = json.loads(
            content.decode(),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_number,
        )
        for text in _strings(value):
            text.encode()  # JSON can spell half a surrogate pair, which no file can hold and no digest be taken of
    except RecursionError:
        raise PlanError(f"{name} is nested more than {MAX_DEPTH} levels deep: this is no plan.", hint=_AGAIN) from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise PlanError(f"{name} is not JSON: {error.msg}, {where}.", hint=_AGAIN) from error
    except UnicodeError as error:
        raise PlanError(f"{name} is not UTF-8 text.", hint=_AGAIN) from error
    except ValueError as error:
        raise PlanError(f"{name} is not a plan: {error}.", hint=_AGAIN) from error
    if not isinstance(value, dict):
        raise PlanError(f"{name} is not a plan: it holds no JSON object.", hint=_AGAIN)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for key, each in pairs:
        if key in value:
            raise ValueError(f"the key '{dotted((key,))}' stands twice in one object")
        value[key] = each
    return value


def _integer(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= int(text) < 2**63:
        raise ValueError("a number in it has more than 64 bits")
    return int(text)


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number in it is beyond those of JSON")
    return number


def _strings(value: object) -> Iterator[str]:
    """Yield every key and string of ``value``; raise RecursionError for a depth that no plan comes near."""
    level: list[object] = [value]
    depth = 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise RecursionError
        inner: list[object] = []
        for each in level:
            if isinstance(each, str):
                yield each
            elif isinstance(each, dict):
                yield from each
                inner += each.values()
            elif isinstance(each, list):
                inner += each
        level = inner


def _newer_minor(content: dict[str, Any], name: str) -> bool:
    """Whether the plan may hold more than this version knows of. Raises PlanError for another major version."""
    version = content.get("format_version")
    match = re.fullmatch(r"(\d{1,9})\.(\d{1,9})", version, re.ASCII) if isinstance(version, str) else None
    if match is None:
        raise PlanError(f"{name} is not a plan: it has no format_version such as {FORMAT_VERSION!r}.", hint=_AGAIN)
    major, minor = (int(part) for part in match.groups())
    known_major, known_minor = (int(part) for part in FORMAT_VERSION.split("."))
    if major > known_major:
        raise PlanError(
            f"{name} was made by a newer restow: its format is {version}, this one reads {known_major}.x.",
            hint="Use the restow that made it, or make a new plan with this one.",
        )
    if major < known_major:
        raise PlanError(f"{name} has the format {version}, which no restow makes any more.", hint=_AGAIN)
    return minor > known_minor


def _validated(content: dict[str, Any], name: str, *, newer: bool) -> Plan:
    try:
        # By way of JSON: only there a list may stand for a tuple while "3" and true may not stand for a number.
        return Plan.model_validate_json(canonical_text(content), strict=True, extra="ignore" if newer else "forbid")
    except ValidationError as error:
        mistakes = list(_mistakes(error, content))
    more = [f"… and {len(mistakes) - MAX_MISTAKES} more"] if len(mistakes) > MAX_MISTAKES else []
    listed = "".join(f"\n  {line}" for line in [*mistakes[:MAX_MISTAKES], *more])
    raise PlanError(f"{name} is not a plan that this restow can read:{listed}", hint=_AGAIN)


def _mistakes(error: ValidationError, content: dict[str, Any]) -> Iterator[str]:
    """Yield each mistake with its path."""
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        steps = each["loc"]
        # A location was tried as every kind there is; of interest is what is wrong with the kind of its driver.
        if steps[2:3] == ("location",) and steps[3:] and steps[3] != _kind(content, steps):
            continue
        path = "".join(
            f"[{step}]" if isinstance(step, int) else f".{dotted((step,))}"
            for index, step in enumerate(steps)
            if not (index == 3 and steps[2] == "location")
        )
        yield f"{path.lstrip('.')}: {each['msg']}"


def _kind(content: dict[str, Any], steps: tuple[int | str, ...]) -> str | None:
    """Return which model the location at ``steps`` should fit: (side, store, "location", …)."""
    driver = content[str(steps[0])][str(steps[1])].get("driver")
    return _LOCATIONS.get(driver) if isinstance(driver, str) else None


def _check_digests(content: dict[str, Any], name: str, expect: str | None) -> None:
    said = content.get("plan_digest")
    if lacking := Plan.model_fields.keys() - content.keys():
        raise PlanError(f"{name} is not a plan: it has no {', no '.join(sorted(lacking))}.", hint=_AGAIN)
    if not isinstance(said, str) or not _DIGEST.fullmatch(said):
        raise PlanError(f"{name} is not a plan: its plan_digest is not sha256: and 64 digits.", hint=_AGAIN)
    computed = digest({key: value for key, value in content.items() if key != "plan_digest"})
    if said != computed:
        raise PlanError(
            f"{name} was edited after it was made: it says {said}, its content has the digest {computed}.",
            hint="Plan again; what a plan should say otherwise is set by the configs and by options of `restow plan`.",
        )
    if expect is not None and said != expect:
        raise PlanError(
            f"{name} is not the plan that --expect names: it is {said}, expected is {expect}.",
            hint="Review this plan and give its digest, or give the plan that was reviewed.",
        )
