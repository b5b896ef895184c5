"""Documents to fill a deployment with: the same bytes in every run.

``odd_names``, ``odd_contents`` and ``old_rows`` are small and nasty, ``ordinary`` is what a real deployment is full of.
All of them can be read back by Anchore whatever the driver, and can stand side by side on a server that takes S3 keys
for paths (no key is the folder of another, none has a backslash). What Anchore writes but cannot read back is in
``UNREADABLE``.
"""

# ruff: noqa: S311 - the same bytes in every run is the point

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
import unicodedata
import uuid

from tests.anchore.documents import Document

WORKING_BUCKETS = (
    "policy_bundles",
    "manifest_data",
    "parent_manifest_data",
    "analysis_data",
    "image_content_data",
    "vulnerability_scan",
    "policy_evaluations",
    "query_data",
)
ACCOUNTS = ("admin", "team-blue", "Team Green", "user@example.com", "königsberg")

KEYS = (
    "my first policy",
    " blank at both ends ",
    "100%",
    "a%2Fb",
    "a+b",
    "~home",
    "x&y=z",
    'it\'s "quoted"',
    ".hidden",
    "semi;colon",
    "folder/policy",
    "Policy",
    "policy",
    "name",
    "name.json",
    unicodedata.normalize("NFC", "größe é"),
    unicodedata.normalize("NFD", "größe é"),
    "🚢 container 貨物",
    "<xml> & ]]>",
    "2c53a13c-1765-11e8-82ef-23527761d060",
)

UNREADABLE = (
    "key#with hash",
    "key?with question mark",
    "key\nwith line break",
    "key\twith tab",
)
"""Keys that Anchore writes and cannot read back with any driver but localfs."""

KILOBYTE = 1024


def standard() -> tuple[Document, ...]:
    """Return some ninety documents: every odd name and content, and one of each ordinary kind, in both stores."""
    return (*odd_names(), *odd_contents(), *ordinary(seed=1, count=24), *archived(seed=1, count=5))


def odd_names() -> tuple[Document, ...]:
    """User-made policy ids, and the same ids in other accounts and in the archive."""
    found = [
        Document("policy_bundles", key, "admin", _json({"id": key, "number": number}))
        for number, key in enumerate(KEYS)
    ]
    found += [Document("policy_bundles", "policy", account, _json({"of": account})) for account in ACCOUNTS[1:]]
    found += [
        Document("analysis_archive", key, "team-blue", _tar_gz(900, seed=number)) for number, key in enumerate(KEYS[:4])
    ]
    found.append(
        Document(
            "policy_bundles",
            "renamed",
            "admin",
            _json({"id": "renamed"}),
            document_name="legacy name",
            metadata='{"origin": "0.2.4"}',
        )
    )
    return tuple(found)


def odd_contents() -> tuple[Document, ...]:
    """Nothing at all, one byte, binary, and every size at which one kilobyte of threshold could be miscounted."""
    numbers = random.Random(7)
    contents = {
        "empty": b"",
        "one byte": b"x",
        "null": _json(None),
        "NUL in text": b'{"document": "a\0b"}',
        "not UTF-8": numbers.randbytes(300),
        "starts like zlib": b"\x78\x9c" + numbers.randbytes(2 * KILOBYTE),
        "ends with line breaks": b'{"document": 1}\r\n\n',
        "unicode": _json({"text": "größe 貨物 🚢"}, ascii_only=False),
        "several megabytes": _analysis(numbers, 3_000_000),
    }
    for size in (KILOBYTE - 1, KILOBYTE, KILOBYTE + 1):
        contents[f"{size} bytes"] = (b'{"document": "' + b"a" * size)[: size - 2] + b'"}'
    found = [Document("query_data", name, "admin", content) for name, content in contents.items()]
    return (*found, Document("analysis_archive", "large bundle", "admin", _tar_gz(1_500_000, seed=8)))


def old_rows() -> tuple[Document, ...]:
    """Documents whose rows know neither digest nor size nor compression."""
    return (
        Document("policy_bundles", "written in 2017", "admin", _json({"old": True}), old_row=True),
        Document("analysis_data", "also in 2017", "team-blue", _analysis(random.Random(17), 5000), old_row=True),
        Document("query_data", "empty in 2017", "admin", b"", old_row=True),
        Document("analysis_archive", "bundle of 2017", "admin", _tar_gz(2000, seed=17), old_row=True),
    )


def ordinary(*, seed: int, count: int, largest: int = 40_000) -> tuple[Document, ...]:
    """Return ``count`` documents of the working set; sizes are skewed to the small, up to ``largest`` bytes."""
    numbers = random.Random(seed)
    found = []
    for _ in range(count):
        bucket = numbers.choice(WORKING_BUCKETS)
        key = _key(bucket, numbers)
        size = int(largest * numbers.random() ** 4) + 100
        metadata = '{"media_type": "json"}' if numbers.random() < 0.1 else None
        found.append(Document(bucket, key, numbers.choice(ACCOUNTS), _analysis(numbers, size), metadata=metadata))
    return tuple(found)


def archived(*, seed: int, count: int, largest: int = 60_000) -> tuple[Document, ...]:
    """Return ``count`` bundles of archived images."""
    numbers = random.Random(seed)
    return tuple(
        Document(
            "analysis_archive",
            f"sha256:{numbers.randbytes(32).hex()}",
            numbers.choice(ACCOUNTS),
            _tar_gz(int(largest * numbers.random() ** 3) + 100, seed=numbers.randrange(1 << 30)),
        )
        for _ in range(count)
    )


def _key(bucket: str, numbers: random.Random) -> str:
    if bucket in {"policy_bundles", "policy_evaluations", "query_data"}:
        return str(uuid.UUID(bytes=numbers.randbytes(16), version=4))
    return f"sha256:{numbers.randbytes(32).hex()}"


def _json(value: object, *, ascii_only: bool = True) -> bytes:
    return json.dumps({"document": value}, ensure_ascii=ascii_only).encode()


def _analysis(numbers: random.Random, size: int) -> bytes:
    """Return at least ``size`` bytes of JSON that compresses about as well as an image analysis does."""
    packages: list[dict[str, object]] = []
    have = 0
    while have < size:
        package: dict[str, object] = {
            "package": f"lib{numbers.choice('abcdefgh')}{numbers.randrange(1000)}",
            "version": f"{numbers.randrange(9)}.{numbers.randrange(20)}-r{numbers.randrange(9)}",
            "sha256": numbers.randbytes(16).hex(),
            "location": "/usr/lib/x86_64-linux-gnu/",
        }
        packages.append(package)
        have += len(json.dumps(package)) + 2
    return _json({"package_list": packages})


def _tar_gz(size: int, *, seed: int) -> bytes:
    """Return a gzipped tar of ``size`` bytes that do not compress."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        member = tarfile.TarInfo("image/analysis.json")
        member.size = size
        tar.addfile(member, io.BytesIO(random.Random(seed).randbytes(size)))
    return gzip.compress(plain.getvalue(), mtime=0)
