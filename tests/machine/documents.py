"""The few documents and contents that the machine knows: names that repeat, contents that are easy to get wrong."""

from __future__ import annotations

import random
import zlib

from tests.anchore.documents import Document

_LONG = b'{"document": "' + b"abcdefgh" * 260 + b'"}'

CONTENTS: tuple[bytes, ...] = (
    b'{"document": 1}',
    _LONG,
    b"",
    random.Random(3).randbytes(2000),  # noqa: S311 - the same bytes in every run is the point
    zlib.compress(_LONG, 3),
)
"""Short, compressed above 1 kB, nothing at all, not compressible, and what another one looks like when compressed."""

SLOTS: tuple[Document, ...] = (
    Document("policy_bundles", "policy", "blue", b""),
    Document("analysis_archive", "bundle", "blue", b"", metadata='{"kind": "tar"}'),
    # Under prefix "team-" the first document has the URL that this one has without a prefix.
    Document("policy_bundles", "policy", "team-blue", b""),
    Document("analysis_data", "größe 100%", "blue", b""),
    Document("analysis_archive", "bundle", "team-blue", b""),
    Document("policy_bundles", "renamed", "blue", b"", document_name="legacy name"),
)
