"""Whether a row's content URL is the one that its name makes, here or there: what keeps documents apart, in SQL.

Two rows with such URLs of one location never share a payload, unless a part of their names holds a slash or they differ
in ``documentName`` only. Everything that meets does so at a row that is odd in one of these ways, or has another URL.
"""

from __future__ import annotations

import re

from schemas.backend import LocalfsLocation, Location
from stores.locations import Sql, content_url_sql


def odd_name_sql(*, row: str) -> str:
    """Whether a row's documentName is not its key and ".json"."""
    return f"""({row}."documentName" <> {row}."archiveId" || '.json')"""


def twin_sql(*, row: str) -> str:
    """Whether there is another row that differs in documentName only, and this one's is odd."""
    return f"""({odd_name_sql(row=row)} AND EXISTS (
        SELECT FROM archive_metadata t WHERE t.bucket = {row}.bucket AND t."archiveId" = {row}."archiveId"
           AND t."userId" = {row}."userId" AND t."documentName" <> {row}."documentName"))"""


def begins_sql(head: str, *, row: str, param: str) -> Sql:
    """Whether a row's URL begins with ``head``."""
    # A plan asks it of every row, twice, and starts_with() costs two or three times as much.
    return Sql(f"({row}.content_url LIKE :{param})", {param: re.sub(r"([\\%_])", r"\\\1", head) + "%"})


def own_url_sql(location: Location, *, row: str, param: str, usual: bool) -> Sql:
    """Whether a row's URL is the one that its name makes on this location. ``usual``: it is so of most rows."""
    url = content_url_sql(location, row=row, param=param)
    same = Sql(f"({row}.content_url = {url.text})", url.params)
    if usual:
        return same
    # Cheap to ask where the answer is no.
    inside = begins_sql(url_head(location), row=row, param=f"{param}_begins")
    return Sql(f"({inside.text} AND {same.text})", inside.params | same.params)


def names_meet_sql(location: Location, other: Location, *, row: str, param: str) -> Sql:
    """Whether an account or a bucket is such that names may meet in one URL on ``location``, or across to ``other``.

    With the prefixes '' and 'team-', URLs of account team-a on the one side look like those of account a on the other.
    """
    # A hash holds no slash and has its length: what is around it can be told apart.
    slash = "FALSE" if isinstance(location, LocalfsLocation) else f"""strpos({row}."userId" || {row}.bucket, '/') > 0"""
    outer, inner = sorted((location, other), key=lambda one: len(url_head(one)))
    rest = url_head(inner).removeprefix(url_head(outer))
    if not rest or rest == url_head(inner):
        return Sql(f"({slash})")
    account = f'md5({row}."userId")' if isinstance(outer, LocalfsLocation) else f'{row}."userId"'
    first, ends, _ = rest.partition("/")
    return Sql(f"({slash} OR starts_with({account} || '/', :{param}))", {param: first + ends})


def url_head(location: Location) -> str:
    """Return what all URLs begin with that names make on this location."""
    return str(content_url_sql(location, row="r", param="head").params["head"])
