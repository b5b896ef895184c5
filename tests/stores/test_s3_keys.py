"""Which keys obstore may carry: exactly those that boto3 finds again under the same name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import obstore
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from obstore.store import S3Store as ObstoreS3

from stores.s3_keys import bulk_delete_can_name, md5_of_etag, obstore_can_carry, obstore_can_name, obstore_can_reach
from tests.anchore.s3 import Clients

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "carried-keys"
PIECES = st.sampled_from(
    ["/", ".", "..", "%", "%2F", "%2e", "+", " ", "~", "\\", "\x7f", "\x01", "\n", "é", "e\u0301", "😀", "a"]
)
KEYS = st.lists(PIECES, min_size=1, max_size=8).map("".join) | st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30
)


@pytest.fixture(scope="module")
def client(moto_url: str) -> S3Client:
    made = Clients().at(moto_url, "any", "any")
    made.create_bucket(Bucket=BUCKET)
    return made


@pytest.fixture(scope="module")
def carrier(moto_url: str) -> ObstoreS3:
    return ObstoreS3(
        BUCKET, endpoint=moto_url, access_key_id="any", secret_access_key="any", client_options={"allow_http": True}
    )


@settings(max_examples=300, deadline=None)
@given(key=KEYS)
@example("a\\b")
@example("x\x85\u2028y")
@example("*?#&=;:@$!'()[]{}|^`<>\"")
def test_what_obstore_carries_arrives_under_its_own_name(client: S3Client, carrier: ObstoreS3, key: str) -> None:
    if not obstore_can_carry(key):
        return
    obstore.put(carrier, key, key.encode(), use_multipart=False)
    assert client.get_object(Bucket=BUCKET, Key=key)["Body"].read() == key.encode()
    client.delete_object(Bucket=BUCKET, Key=key)
    assert "Contents" not in client.list_objects_v2(Bucket=BUCKET)


@pytest.mark.parametrize("key", ["", "/", "/a", "a/", "a//b", "./a", "a/..", "..", "a\tb", "a\0", "\x7f"])
def test_other_keys_are_not_obstores(key: str) -> None:
    assert not obstore_can_carry(key)


@pytest.mark.parametrize("key", ["a", "...", "a..b", ".a", "a.", " ", "%2F", "a/b", "sha256:0", "\x85", "😀"])
def test_plain_keys_are(key: str) -> None:
    assert obstore_can_carry(key)


@pytest.mark.parametrize(
    ("bucket", "can"),
    [("documents", True), ("Old_Bucket.2", True), ("-", True), ("no bucket", False), ("..", False), ("", False),
     ("a/b", False), ("a?b", False), ("a%b", False), ("arn:aws:s3:us-east-1:1:accesspoint/documents", False)],
)  # fmt: skip
def test_odd_buckets_are_not_obstores(bucket: str, can: bool) -> None:
    assert obstore_can_name(bucket) is can


@pytest.mark.parametrize(
    ("endpoint", "can"),
    [
        ("http://minio:9000", True),
        ("https://s3.example.org/base/v1.2", True),
        ("http://minio:9000/a//b", False),
        ("http://minio:9000/../a", False),
        ("http://minio:9000/ä", False),
        ("http://minio:9000/a%20b", False),
    ],
)
def test_an_endpoint_with_an_unusual_path_is_not_obstores(endpoint: str, can: bool) -> None:
    assert obstore_can_reach(endpoint) is can


@pytest.mark.parametrize(("key", "can"), [("a b", True), ("é😀", True), ("a\x0bb", False), ("\ufffe", False)])
def test_a_bulk_deletion_names_only_what_xml_can_say(key: str, can: bool) -> None:
    assert bulk_delete_can_name(key) is can


@pytest.mark.parametrize(
    ("etag", "md5"),
    [
        ('"d41d8cd98f00b204e9800998ecf8427e"', "d41d8cd98f00b204e9800998ecf8427e"),
        ("D41D8CD98F00B204E9800998ECF8427E", "d41d8cd98f00b204e9800998ecf8427e"),
        ('"d41d8cd98f00b204e9800998ecf8427e-3"', None),
        ('W/"d41d8cd98f00b204e9800998ecf8427e"', None),
        ('"d41d8cd98f00b204e9800998ecf8427g"', None),
        ('"d41d8cd98f00b204e9800998ecf8427"', None),
        ("", None),
        (None, None),
    ],
)
def test_only_32_hex_digits_may_be_an_md5(etag: str | None, md5: str | None) -> None:
    assert md5_of_etag(etag) == md5
