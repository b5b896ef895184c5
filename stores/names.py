"""Which documents Anchore can write to a location but not read back from it: rules about names alone.

Each rule is here twice, in Python and in SQL, because a plan over millions of rows cannot fetch them;
a property test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from schemas.backend import Db2Location, DbLocation, LocalfsLocation, Location, S3Location, SwiftLocation
from stores.addresses import BREAKS_ACCOUNT, CUT, holds_any
from stores.interface import DocumentName
from stores.locations import ALWAYS, NEVER, Sql

LONGEST_KEY = 1024
"""Bytes of an S3 key in UTF-8, prefix included."""
BREAKS_TABLE_ACCOUNT = "/" + BREAKS_ACCOUNT
CUTS = "Anchore's URL parser cuts its URL at # and ?, and drops tabs and line breaks"
ACCOUNT = "Anchore's URL parser rejects or cuts the account: it holds a slash, a bracket or what looks like / ? # @ :"
SLASH_IN_BUCKET = "Anchore takes the slash in the bucket for the end of its name"
CAPITALS = "Anchore's URL parser makes the bucket's or container's name lower-case"
TOO_LONG = f"its key is longer than {LONGEST_KEY} bytes"


def unreadable(location: Location, name: DocumentName) -> str | None:
    """Say why Anchore could not read that document back from that location; None: it can."""
    match location:
        case DbLocation() | Db2Location():
            return _unreadable_row(name)
        case S3Location(bucket=bucket, prefix=prefix):
            key = f"{prefix}{name.user_id}/{name.bucket}/{name.archive_id}"
            too_long = len(key.encode()) > LONGEST_KEY
            return _unreadable_object(bucket, key) or (TOO_LONG if too_long else None)
        case SwiftLocation(container=container, prefix=prefix):
            return _unreadable_object(container, f"{prefix}{name.user_id}/{name.bucket}/{name.archive_id}")
        case LocalfsLocation():
            return SLASH_IN_BUCKET if "/" in name.bucket else None
        case _:
            assert_never(location)


@dataclass(frozen=True, slots=True)
class NameRules:
    """``unreadable`` as SQL conditions, by what each looks at; it gives a reason where any of them holds."""

    account: Sql
    """Of account and bucket, which many documents have in common."""
    key: Sql
    """Of the key; the same, parameters and all, wherever keys are part of the URL."""
    length: Sql
    """Of account, bucket and key together."""


def name_rules(location: Location, *, row: str, param: str) -> NameRules:
    """Return the rules of a location.

    ``row`` is the alias of ``archive_metadata``. Parameters begin with ``param``, but for those of ``key``.
    """
    user, bucket, key = f'{row}."userId"', f"{row}.bucket", f'{row}."archiveId"'
    cut = Sql(f"(({user} || {bucket}) ~ CAST(:{param}_cut AS text))", {f"{param}_cut": _one_of(CUT)})
    slash_in_bucket = f"strpos({bucket}, '/') > 0"
    match location:
        case DbLocation() | Db2Location():
            breaks = {f"{param}_account": _one_of(BREAKS_TABLE_ACCOUNT)}
            account = f"({cut.text} OR {user} ~ CAST(:{param}_account AS text) OR {slash_in_bucket})"
            return NameRules(Sql(account, cut.params | breaks), _cut_key(key), NEVER)
        case S3Location(bucket=name, prefix=prefix):
            bytes_ = " + ".join(f"octet_length({part})" for part in (user, bucket, key))
            room = f"{LONGEST_KEY - len('//')} - octet_length(CAST(:{param}_prefix AS text))"
            too_long = Sql(f"({bytes_} > {room})", {f"{param}_prefix": prefix})
            return NameRules(ALWAYS if _unreadable_object(name, prefix) else cut, _cut_key(key), too_long)
        case SwiftLocation(container=name, prefix=prefix):
            return NameRules(ALWAYS if _unreadable_object(name, prefix) else cut, _cut_key(key), NEVER)
        case LocalfsLocation():
            return NameRules(Sql(f"({slash_in_bucket})"), NEVER, NEVER)
        case _:
            assert_never(location)


def unreadable_sql(location: Location, *, row: str, param: str) -> Sql:
    """Return the SQL condition that holds where ``unreadable`` gives a reason; arguments as for ``name_rules``."""
    rules = name_rules(location, row=row, param=param)
    text = f"({rules.account.text} OR {rules.key.text} OR {rules.length.text})"
    return Sql(text, rules.account.params | rules.key.params | rules.length.params)


def _unreadable_row(name: DocumentName) -> str | None:
    if holds_any(f"{name.user_id}{name.bucket}{name.archive_id}", CUT):
        return CUTS
    if holds_any(name.user_id, BREAKS_TABLE_ACCOUNT):
        return ACCOUNT
    return SLASH_IN_BUCKET if "/" in name.bucket else None


def _unreadable_object(bucket: str, key: str) -> str | None:
    if holds_any(bucket + key, CUT):
        return CUTS
    return CAPITALS if bucket != bucket.lower() else None


def _cut_key(key: str) -> Sql:
    # Two thirds of what a regular expression costs, and a plan asks it of every row.
    found = " OR ".join(f"strpos({key}, :cut_{number}) > 0" for number in range(len(CUT)))
    return Sql(f"({found})", {f"cut_{number}": character for number, character in enumerate(CUT)})


def _one_of(characters: str) -> str:
    """Return the regular expression for one of them; a closing bracket means itself in the first place only."""
    closing = "]" if "]" in characters else ""
    return f"[{closing}{characters.replace(']', '')}]"
