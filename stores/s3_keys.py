"""How a key may travel. Decisions about names only; nothing here talks to a server."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

SEGMENT = r"(?!\.{1,2}(?:/|\Z))[^/\x00-\x1f\x7f]+"
CARRIED = re.compile(f"{SEGMENT}(?:/{SEGMENT})*")
NOT_XML = re.compile(r"[\x00-\x1f\x7f\ufffe\uffff]")
PLAIN_SEGMENT = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*")
BUCKET = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
MD5_ETAG = re.compile(r'"?([0-9a-fA-F]{32})"?')


def obstore_can_carry(key: str) -> bool:
    """Whether obstore addresses exactly this key: others it refuses, or strips of a slash at either end."""
    return CARRIED.fullmatch(key) is not None


def obstore_can_name(bucket: str) -> bool:
    """Whether obstore takes this for a bucket's name: others end the process, or become a part of the path."""
    return BUCKET.fullmatch(bucket) is not None


def obstore_can_reach(endpoint: str) -> bool:
    """Whether obstore makes the same request path of an endpoint as boto3: none, or plain segments."""
    path = urlsplit(endpoint).path.strip("/")
    return not path or all(PLAIN_SEGMENT.fullmatch(segment) for segment in path.split("/"))


def bulk_delete_can_name(key: str) -> bool:
    """Whether the XML of a bulk deletion can say this key as it is."""
    return NOT_XML.search(key) is None


def md5_of_etag(etag: str | None) -> str | None:
    """Return what may be an MD5 in an ETag: 32 hex digits, so no multipart ETag (``…-3``) and no weak one."""
    found = MD5_ETAG.fullmatch(etag or "")
    return found[1].lower() if found else None
