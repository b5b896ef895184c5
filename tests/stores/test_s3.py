"""Driver ``s3`` against SeaweedFS, which checks keys and signatures, and moto, which keeps keys verbatim."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from restow.demo.servers import S3Server
from stores.interface import Absent, DocumentName, Fault, Reason, Stat
from tests.anchore import canaries
from tests.anchore.s3 import Clients, keys
from tests.stores.conformance import (
    KEYS,
    TEXT,
    VERBATIM_KEYS,
    KeyConformance,
    ParsedNameConformance,
    StoreConformance,
    document,
)
from tests.stores.s3_places import S3Place, driver, open_s3

UNCUT = st.characters(exclude_categories=["Cs"], exclude_characters="\0#?\t\r\n")


@pytest.fixture(scope="module")
def bucket(s3_server: S3Server, clients: Clients) -> str:
    """One bucket of SeaweedFS for all tests here: a prefix of its own is enough for each."""
    clients.at(s3_server.url, s3_server.access_key, s3_server.secret_key).create_bucket(Bucket="stores-s3")
    return "stores-s3"


@pytest.fixture
def place(bucket: str, s3_server: S3Server, clients: Clients, numbers: Iterator[int]) -> Iterator[S3Place]:
    """A store on SeaweedFS, with a prefix as the documentation has it."""
    prefix = f"internaltest{next(numbers)}"
    made = open_s3(driver(s3_server.url, bucket, prefix=prefix))
    client = clients.at(s3_server.url, s3_server.access_key, s3_server.secret_key)
    yield S3Place(made, client, bucket, prefix)
    made.close()


@pytest.fixture
def third_bucket(place: S3Place) -> Iterator[str]:
    """A bucket that no config names."""
    name = f"third-{place.prefix}"
    place.client.create_bucket(Bucket=name)
    yield name
    for key in keys(place.client, name):
        place.client.delete_object(Bucket=name, Key=key)
    place.client.delete_bucket(Bucket=name)


@pytest.fixture(scope="module")
def moto_bucket(moto_url: str, clients: Clients) -> str:
    clients.at(moto_url, canaries.ACCESS_KEY, canaries.SECRET_KEY).create_bucket(Bucket="stores-moto")
    return "stores-moto"


@pytest.fixture
def moto_place(moto_bucket: str, moto_url: str, clients: Clients, numbers: Iterator[int]) -> Iterator[S3Place]:
    """A store on moto whose prefix begins with a slash."""
    prefix = f"/{next(numbers)}//"
    made = open_s3(driver(moto_url, moto_bucket, prefix=prefix))
    client = clients.at(moto_url, canaries.ACCESS_KEY, canaries.SECRET_KEY)
    yield S3Place(made, client, moto_bucket, prefix)
    made.close()


class TestS3(StoreConformance, ParsedNameConformance):
    pass


class TestS3WithOddKeys(KeyConformance, ParsedNameConformance):
    keys = MappingProxyType({**KEYS, **VERBATIM_KEYS})

    @pytest.fixture
    def place(self, moto_place: S3Place) -> S3Place:
        return moto_place


@pytest.mark.parametrize("key", ["plain", "a b%+~é", *VERBATIM_KEYS.values()])
def test_objects_have_anchores_content_type(moto_place: S3Place, key: str) -> None:
    moto_place.store.write([(moto_place.url(document(key)), TEXT)])
    head = moto_place.client.head_object(Bucket=moto_place.bucket, Key=moto_place.key(document(key)))
    assert head["ContentType"] == "binary/octet-stream"
    assert "ContentEncoding" not in head
    assert head["Metadata"] == {}


def test_the_prefix_has_no_slash_of_its_own(place: S3Place) -> None:
    place.store.write([(f"s3://{place.bucket}/{place.prefix}admin/policy_bundles/k", TEXT)])
    assert place.keys() == [f"{place.prefix}admin/policy_bundles/k"]


def test_a_large_payload_goes_in_parts_and_arrives_whole(place: S3Place) -> None:
    payload = bytes(range(256)) * (65 << 12)
    (answer,) = place.store.write([(place.url(document("large")), payload)])
    assert isinstance(answer, Stat)
    assert place.stored(document("large")) == payload
    assert place.store.prove_digests(place.url(document("probe")))
    (stat,) = place.store.stat([place.url(document("large"))])
    # The ETag of parts is no MD5, whatever the endpoint's other ETags are.
    assert stat == Stat(len(payload), None)


def test_a_url_in_another_bucket_is_read_there(place: S3Place, third_bucket: str) -> None:
    place.client.put_object(Bucket=third_bucket, Key="admin/b/k", Body=b"third")
    missing = "s3://not-there/admin/b/k"
    absent, found, nowhere = place.store.read([f"s3://{third_bucket}/x", f"s3://{third_bucket}/admin/b/k", missing])
    assert (absent, found) == (Absent(), b"third")
    assert isinstance(nowhere, Fault)
    assert nowhere.reason is Reason.MISSING
    assert place.store.delete([f"s3://{third_bucket}/admin/b/k", missing]) == [None, None]
    assert keys(place.client, third_bucket) == []


@pytest.mark.parametrize("odd", ["no bucket", "..", "a?b", "a%2Fb", "ü"])
def test_a_url_in_a_bucket_that_cannot_be_concerns_its_document_alone(place: S3Place, odd: str) -> None:
    place.plant(document("k"), b"mine")
    urls = [f"s3://{odd}/admin/b/k", place.url(document("k"))]
    odd_payload, mine = place.store.read(urls)
    assert isinstance(odd_payload, Fault)
    assert odd_payload.reason is Reason.REFUSED
    assert mine == b"mine"
    (odd_look, look) = place.store.stat(urls)
    assert isinstance(odd_look, Fault)
    assert isinstance(look, Stat)
    (odd_left, left) = place.store.delete(urls)
    assert isinstance(odd_left, Fault)
    assert left is None
    assert place.keys() == []


def test_only_the_proven_bucket_is_trusted(place: S3Place, third_bucket: str) -> None:
    url = f"s3://{third_bucket}/admin/b/k"
    place.store.write([(url, TEXT)])
    assert place.store.prove_digests(place.url(document("probe")))
    assert place.store.stat([url]) == [Stat(len(TEXT), None)]


def test_digests_are_not_known_before_they_are_proven(place: S3Place) -> None:
    item = (place.url(document("k")), TEXT)
    assert place.store.write([item]) == [Stat(len(TEXT), None)]
    assert place.store.stat([item[0]]) == [Stat(len(TEXT), None)]


def test_more_than_a_thousand_objects_are_deleted(moto_place: S3Place) -> None:
    names = [document(f"k{n}") for n in range(1001)]
    for name in names[:3] + names[-3:]:
        moto_place.plant(name, b"x")
    assert moto_place.store.delete([moto_place.url(name) for name in names]) == [None] * 1001
    assert moto_place.keys() == []


def test_several_workers_write_side_by_side(place: S3Place) -> None:
    def write(worker: int) -> list[Stat | Fault]:
        return place.store.write([(place.url(document(f"{worker}-{n}")), f"{worker} {n}".encode()) for n in range(20)])

    with ThreadPoolExecutor(8) as pool:
        answers = [answer for part in pool.map(write, range(16)) for answer in part]
    assert all(isinstance(answer, Stat) for answer in answers)
    assert place.stored(document("15-19")) == b"15 19"


@pytest.mark.parametrize("key", ["plain", "a//b"])
@pytest.mark.parametrize("path", ["/base", "/base/sub", "/base/sub/", "/base/ä b", "/base//sub"])
def test_a_path_in_the_url_becomes_part_of_every_key(
    moto_place: S3Place, moto_url: str, clients: Clients, path: str, key: str
) -> None:
    moto_place.client.create_bucket(Bucket="base")
    store = open_s3(driver(f"{moto_url}{path}", moto_place.bucket, create_bucket=True))
    # Anchore's boto3, told the same: the reference for where objects go.
    anchore = clients.at(f"{moto_url}{path}".rstrip("/"), "any", "any")
    store.check_access()
    store.prepare()
    assert keys(moto_place.client, "base") == []
    url = f"s3://{moto_place.bucket}/admin/b/{key}"
    store.write([(url, TEXT)])
    assert anchore.get_object(Bucket=moto_place.bucket, Key=f"admin/b/{key}")["Body"].read() == TEXT
    (found,) = keys(moto_place.client, "base")
    assert found.endswith(f"{moto_place.bucket}/admin/b/{key}")
    assert store.read([url]) == [TEXT]
    assert store.delete([url]) == [None]
    assert keys(moto_place.client, "base") == []
    store.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.builds(
        DocumentName,
        st.text(UNCUT, min_size=1, max_size=10),
        st.text(UNCUT, max_size=20),
        st.text(UNCUT, max_size=10),
        st.just(""),
    )
)
@example(DocumentName("..", "%2e%2e/%00", ".", ""))
@example(DocumentName("b", "x\x7f\x85\ufffe", "u", ""))
def test_any_name_comes_back(moto_place: S3Place, name: DocumentName) -> None:
    url = moto_place.url(name)
    payload = repr(name).encode()
    assert moto_place.store.write([(url, payload)]) == [Stat(len(payload), None)]
    assert moto_place.stored(name) == payload
    assert moto_place.store.read([url]) == [payload]
    assert moto_place.store.delete([url]) == [None]
    assert moto_place.stored(name) is None
