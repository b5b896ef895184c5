"""Durations as people type them: ``90s``, ``45m``, ``2h``, ``1h30m``."""

from __future__ import annotations

import re

import typer

UNITS = {"h": 3600, "m": 60, "s": 1}
PATTERN = re.compile(r"(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?")


def parse_duration(text: str) -> float:
    """Return seconds. Raises typer.BadParameter."""
    match = PATTERN.fullmatch(text)
    if not text or match is None:
        raise typer.BadParameter(f"{text[:100]!r} is not a duration; write it as 90s, 45m, 2h or 1h30m")
    return float(
        sum(int(number or 0) * seconds for number, seconds in zip(match.groups(), UNITS.values(), strict=True))
    )
