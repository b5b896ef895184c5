"""From a content URL to the physical place that it names.

Anchore takes its URLs apart with a general URL parser, which cuts, drops or rejects certain characters. The payload of
such a name is where the name says, but Anchore looks somewhere else, perhaps at another document's payload. No store
follows either reading: the answer is a ``Fault``, so nothing is ever deleted or overwritten by such a URL.
"""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from stores.interface import Fault, Reason

CUT = "#?\t\r\n"
"""A path ends at the first two; the parser drops the others wherever they stand."""
NUL = "\0"
"""Fits into no backend's names and no database's text."""
BREAKS_ACCOUNT = "[]⁇⁈⁉℀℁℅℆⩴︓︖﹕﹖﹟﹫＃／：？＠"
"""In the host's place these are an error: brackets, and all whose compatibility form (NFKC) has one of ``/?#@:``."""


class TableAddress(NamedTuple):
    """What names a payload in the tables of the drivers ``db`` and ``db2``."""

    user_id: str
    bucket: str
    key: str


class ObjectAddress(NamedTuple):
    """The S3 bucket, or Swift container, and the object's key in it."""

    bucket: str
    key: str


def table_address(url: str, scheme: str) -> TableAddress | Fault:
    """Take ``db://user/bucket/key`` apart; all behind the second slash is the key, slashes included."""
    parts = _after(url, scheme).split("/", 2)
    if len(parts) != 3 or not url.startswith(scheme):
        return _fault(url, f"it does not name a payload as {scheme}account/bucket/key does")
    if holds_any(url, CUT + NUL) or holds_any(parts[0], BREAKS_ACCOUNT):
        return _fault(url, "Anchore's URL parser reads another name, or none, out of it")
    return TableAddress(*parts)


def object_address(url: str, scheme: str) -> ObjectAddress | Fault:
    """Take ``s3://bucket/key`` apart; all behind the slash is the key, so ``s3://b//a`` has the key ``/a``."""
    bucket, slash, key = _after(url, scheme).partition("/")
    if not (bucket and slash and key) or not url.startswith(scheme):
        return _fault(url, f"it does not name a payload as {scheme}bucket/key does")
    if holds_any(url, CUT + NUL):
        return _fault(url, "Anchore's URL parser reads another name, or none, out of it")
    if bucket != bucket.lower():
        return _fault(url, f"Anchore's URL parser reads the bucket as {bucket.lower()}")
    return ObjectAddress(bucket, key)


def holds_any(text: str, characters: str) -> bool:
    return _one_of(characters).search(text) is not None


@functools.cache
def _one_of(characters: str) -> re.Pattern[str]:
    return re.compile(f"[{re.escape(characters)}]")


def _after(url: str, scheme: str) -> str:
    return url[len(scheme) :]


def _fault(url: str, why: str) -> Fault:
    return Fault(Reason.REFUSED, f"content URL {url!r}: {why}")
