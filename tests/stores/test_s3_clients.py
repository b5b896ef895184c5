"""What the clients take from the config, and what from the environment."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from restow.demo.servers import S3Server
from schemas.config import S3Driver
from schemas.errors import ConfigError, DeniedError, UnreachableError
from stores.interface import Stat
from stores.s3 import S3Store
from stores.s3_clients import S3Clients
from tests.anchore import canaries
from tests.anchore.s3 import Clients
from tests.stores.conformance import TEXT
from tests.stores.s3_places import driver, open_s3
from tests.stores.scripted import Reply, Request, Scripted, s3_error
from tests.tls import Tls

PLAIN, ODD = "s3://documents/admin/b/k", "s3://documents/admin/b//k"
FOREIGN = {
    "AWS_ACCESS_KEY_ID": "FOREIGNKEY",
    "AWS_SECRET_ACCESS_KEY": "foreign-secret",
    "AWS_SESSION_TOKEN": "foreign-token",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
    "AWS_ENDPOINT": "http://127.0.0.1:9",
    "AWS_REGION": "mars-east-1",
    "AWS_BUCKET": "foreign",
    "AWS_SKIP_SIGNATURE": "true",
    "AWS_UNSIGNED_PAYLOAD": "true",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
    "AWS_REQUEST_PAYER": "true",
    "AWS_S3_EXPRESS": "true",
    "AWS_ALLOW_HTTP": "false",
    "AWS_TIMEOUT": "1ms",
    "AWS_PROXY_URL": "http://127.0.0.1:9",
    "AWS_DEFAULT_CONTENT_TYPE": "text/foreign",
}


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def listening(scripted: Scripted) -> Scripted:
    scripted.answer = lambda _: Reply(200, {"ETag": '"x"'})
    return scripted


def put_both(store: S3Store) -> None:
    """Write one object through each client."""
    assert store.write([(PLAIN, b"x"), (ODD, b"x")]) == [Stat(1, None)] * 2
    store.close()


def client_of(request: Request) -> str:
    return request.headers["user-agent"].partition("/")[0]


def signed_as(request: Request) -> tuple[str, str]:
    """Return access key and region of the signature."""
    key, _, region, *_ = request.headers["authorization"].partition("Credential=")[2].split("/")
    return key, region


def test_with_keys_in_the_config_the_environment_counts_for_nothing(
    listening: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in FOREIGN.items():
        monkeypatch.setenv(name, value)
    put_both(open_s3(driver(listening.url, "documents")))
    assert [request.path for request in listening.requests] == ["/documents/admin/b/k", "/documents/admin/b//k"]
    for request in listening.requests:
        assert signed_as(request) == (canaries.ACCESS_KEY, "us-east-1")
        assert request.headers["content-type"] == "binary/octet-stream"
        assert "foreign" not in str(request.headers)
        assert {name for name in request.headers if name.startswith("x-amz-")} == {"x-amz-date", "x-amz-content-sha256"}
        assert len(request.headers["x-amz-content-sha256"]) == 64


@pytest.mark.parametrize(("setting", "region"), [("eu-west-3", "eu-west-3"), (None, "us-east-1")])
def test_with_a_url_the_region_is_the_ambient_one(
    listening: Scripted, monkeypatch: pytest.MonkeyPatch, setting: str | None, region: str
) -> None:
    if setting is not None:
        monkeypatch.setenv("AWS_DEFAULT_REGION", setting)
    put_both(open_s3(driver(listening.url, "documents", region="ignored-1")))
    assert [signed_as(request)[1] for request in listening.requests] == [region] * 2


def test_the_region_of_the_profile_counts_too(
    listening: Scripted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("[profile ours]\nregion = ap-south-1\n")
    monkeypatch.setenv("AWS_PROFILE", "ours")
    put_both(open_s3(driver(listening.url, "documents")))
    assert [signed_as(request)[1] for request in listening.requests] == ["ap-south-1"] * 2


@pytest.mark.parametrize(
    ("region", "endpoint"),
    [("eu-west-1", "https://s3.eu-west-1.amazonaws.com"), ("cn-north-1", "https://s3.cn-north-1.amazonaws.com.cn")],
)
def test_without_a_url_the_endpoint_is_the_regions_own(
    monkeypatch: pytest.MonkeyPatch, region: str, endpoint: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    made = open_s3(driver(None, "documents", region=region))
    assert made._clients.endpoint == endpoint
    made.close()


def test_iamauto_takes_the_ambient_credentials(
    s3_server: S3Server, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = clients.at(s3_server.url, s3_server.access_key, s3_server.secret_key)
    client.create_bucket(Bucket="iamauto")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.secret_key)
    made = open_s3(driver(s3_server.url, "iamauto", iamauto=True))
    made.check_access()
    made.write([("s3://iamauto/k", TEXT)])
    assert made.read(["s3://iamauto/k"]) == [TEXT]
    assert made.delete(["s3://iamauto/k"]) == [None]
    made.close()
    client.delete_bucket(Bucket="iamauto")


def test_iamauto_passes_session_tokens_on(listening: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, FOREIGN[name])
    put_both(open_s3(driver(listening.url, "documents", iamauto=True)))
    assert [request.headers["x-amz-security-token"] for request in listening.requests] == ["foreign-token"] * 2


def test_iamauto_without_credentials_is_denied(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(DeniedError, match="no AWS credentials"):
        open_s3(driver("http://127.0.0.1:9", "documents", iamauto=True))


@pytest.mark.parametrize("missing", ["access_key", "secret_key"])
def test_half_a_key_pair_is_the_configs_mistake(missing: str) -> None:
    made: S3Driver = driver("http://127.0.0.1:9", "documents").model_copy(update={missing: None})
    with pytest.raises(ConfigError, match="without access_key or secret_key"):
        open_s3(made)


@pytest.mark.parametrize(
    "url",
    ["minio:9000", "http://", "not a url", "ftp://minio", "http://minio?a=b", "http://minio#a", "http://minio:99999"],
)
def test_an_endpoint_that_is_no_url_is_the_configs_mistake(url: str) -> None:
    with pytest.raises(ConfigError, match="documents"):
        open_s3(driver(url, "documents"))


def test_a_profile_that_does_not_exist_is_the_configs_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ConfigError, match="nobody"):
        open_s3(driver("http://127.0.0.1:9", "documents"))


@pytest.mark.parametrize("name", ["AWS_SERVER_SIDE_ENCRYPTION", "aws_sse_kms_key_id", "AWS_CHECKSUM_ALGORITHM"])
def test_what_would_change_the_objects_is_not_overlooked(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "aws:kms")
    with pytest.raises(ConfigError, match=name):
        open_s3(driver("http://127.0.0.1:9", "documents"))


@pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_a_ca_bundle_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    monkeypatch.setenv(name, str(tmp_path / "missing.pem"))
    with pytest.raises(ConfigError, match=r"missing\.pem"):
        open_s3(driver("https://127.0.0.1:9", "documents"))


def test_both_clients_trust_the_ca_bundle(monkeypatch: pytest.MonkeyPatch, tls: Tls) -> None:
    for name in ("RETRIES", "LOOK_RETRIES"):
        monkeypatch.setattr(f"stores.s3_clients.{name}", 0)
    with serving(tls.server) as scripted:
        for url in (PLAIN, ODD):
            distrustful = open_s3(driver(scripted.url, "documents"))
            with pytest.raises(UnreachableError):
                distrustful.write([(url, b"x")])
            distrustful.close()
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tls.authority))
        put_both(open_s3(driver(scripted.url, "documents")))
        assert [request.headers["user-agent"].partition("/")[0] for request in scripted.requests] == [
            "object_store",
            "Boto3",
        ]


def test_boto3_carries_all_where_obstore_takes_offence(monkeypatch: pytest.MonkeyPatch, tls: Tls) -> None:
    monkeypatch.setattr("stores.s3_clients.LOOK_RETRIES", 0)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tls.self_signed))
    with serving(tls.self_signed) as scripted:
        made = open_s3(driver(scripted.url, "documents"))
        made.check_access()
        put_both(made)
        assert {client_of(request) for request in scripted.requests} == {"Boto3"}


@contextmanager
def serving(certificate: Path) -> Iterator[Scripted]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    scripted = Scripted(context)
    scripted.answer = lambda request: (
        s3_error(404, "NoSuchKey") if request.method == "GET" else Reply(200, {"ETag": '"x"'})
    )
    yield scripted
    scripted.close()


def test_clients_show_no_secrets(listening: Scripted) -> None:
    made = driver(listening.url, "documents")
    store = open_s3(made)
    put_both(store)
    assert canaries.found_in(repr(made) + repr(store) + repr(vars(store)) + repr(vars(store._clients))) == []


def test_each_bucket_is_opened_once(listening: Scripted) -> None:
    store = open_s3(driver(listening.url, "documents"))
    clients: S3Clients = store._clients
    assert clients.data("documents") is clients.data("documents")
    assert clients.data("documents") is not clients.data("documents", "large")
    assert clients.data("documents") is not clients.data("other")
    store.close()
