"""The sample documents: which ones a small Anchore deployment has, for whom and under which keys.

Everything comes from the seed: the same seed gives the same documents, byte for byte.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from restow.demo import contents
from restow.demo.contents import Image
from schemas.config import ARCHIVE_BUCKET
from stores.interface import DocumentName

SEED = 20260
IMAGES = 40
ARCHIVED_IMAGES = 14
ACCOUNTS = ("admin", "payments", "platform-ci")
POLICIES_PER_ACCOUNT = 3
FIRST_CREATED_AT = 1_740_000_000


@dataclass(frozen=True, slots=True)
class Document:
    """One document as Anchore hands it to its object store."""

    name: DocumentName
    payload: bytes
    """Uncompressed, as the driver ``db`` stores every document."""
    created_at: int
    """Epoch seconds."""


def documents(seed: int = SEED, *, images: int = IMAGES, archived: int = ARCHIVED_IMAGES) -> Iterator[Document]:
    """Yield each account's policies, then the documents of ``images`` analysed and ``archived`` archived images."""
    for account in ACCOUNTS:
        dice = random.Random(f"{seed} policies of {account}")  # noqa: S311 - sample data
        for _ in range(POLICIES_PER_ACCOUNT):
            payload = contents.document(contents.policy(dice))
            yield _document(account, "policy_bundles", contents.uuid_text(dice), payload, FIRST_CREATED_AT)
    for number in range(images):
        yield from _working_set(seed, number)
    for number in range(images, images + archived):
        account, created_at, image = _image(seed, number)
        payload = contents.archive(image, account)
        yield _document(account, ARCHIVE_BUCKET, f"{image.digest}.tar.gz", payload, created_at + 86_400)


def _working_set(seed: int, number: int) -> Iterator[Document]:
    account, created_at, image = _image(seed, number)
    for bucket, value in (
        ("manifest_data", contents.manifest(image)),
        ("parent_manifest_data", contents.parent_manifest(image)),
        ("analysis_data", contents.analysis(image)),
        ("image_content_data", contents.content(image)),
        ("vulnerability_scan", contents.vulnerabilities(image)),
        ("syft_sbom", contents.sbom(image)),
    ):
        yield _document(account, bucket, image.digest, contents.document(value), created_at)
    for hours in range(1, image.dice.randint(2, 4)):
        payload = contents.document(contents.evaluation(image))
        key = image.dice.randbytes(16).hex()
        yield _document(account, "policy_evaluations", key, payload, created_at + hours * 3_600)
    if image.dice.random() < 0.5:
        payload = contents.document(contents.vulnerabilities(image))
        yield _document(account, "query_data", contents.uuid_text(image.dice), payload, created_at + 7_200)


def _image(seed: int, number: int) -> tuple[str, int, Image]:
    # Dice of its own for each image: its documents do not depend on how many came before.
    dice = random.Random(f"{seed} image {number}")  # noqa: S311 - sample data
    return ACCOUNTS[number % len(ACCOUNTS)], FIRST_CREATED_AT + number * 5_400, contents.image(dice)


def _document(account: str, bucket: str, key: str, payload: bytes, created_at: int) -> Document:
    return Document(DocumentName(bucket, key, account, f"{key}.json"), payload, created_at)
