"""Driver ``s3`` when things go wrong: keys, buckets, networks and servers that are none."""

from __future__ import annotations

import hashlib
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from restow.demo.servers import S3Server
from schemas.errors import ConfigError, DeniedError, RestowError, UnreachableError
from stores.interface import Absent, Fault, Reason, Stat
from stores.s3 import S3Store
from tests.anchore import canaries
from tests.anchore.s3 import Clients, keys
from tests.stores.s3_places import driver, open_s3
from tests.stores.scripted import Reply, Request, Scripted, s3_error

URL = "s3://documents/admin/analysis_data/k"
ODD_URL = "s3://documents/admin/analysis_data//k"
MD5 = hashlib.md5(b"payload", usedforsecurity=False).hexdigest()
CALLS: dict[str, Callable[[S3Store, str], object]] = {
    "read": lambda store, url: store.read([url]),
    "stat": lambda store, url: store.stat([url]),
    "write": lambda store, url: store.write([(url, b"payload")]),
    "delete": lambda store, url: store.delete([url]),
}
each_call = pytest.mark.parametrize("call", CALLS)
each_client = pytest.mark.parametrize("url", [URL, ODD_URL], ids=["obstore", "boto3"])
OK_HEAD = {"ETag": f'"{MD5}"', "Content-Length": "7", "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """One retry, soon: enough to see that there are retries."""
    monkeypatch.setattr("stores.s3_clients.RETRIES", 1)
    monkeypatch.setattr("stores.s3_clients.LOOK_RETRIES", 0)
    monkeypatch.setattr("stores.s3_clients.BACKOFF_SECONDS", (0.01, 0.01))


@pytest.fixture
def store(scripted: Scripted, impatient: None) -> Iterator[S3Store]:  # noqa: ARG001 - patched before the clients are made
    made = open_s3(driver(scripted.url, "documents"))
    yield made
    made.close()


def raised(work: Callable[[], object]) -> RestowError:
    """Return the error that ``work`` ends with, having looked for secrets in all that it could show."""
    try:
        work()
    except RestowError as error:
        shown = "".join(traceback.format_exception(error)) + error.message + error.hint
        assert canaries.found_in(shown) == []
        return error
    raise AssertionError("nothing was raised")


@each_call
@each_client
@pytest.mark.parametrize("wrong", ["access_key", "secret_key"])
def test_wrong_keys_are_denied(s3_server: S3Server, wrong: str, call: str, url: str) -> None:
    made = open_s3(driver(s3_server.url, "documents", **{wrong: canaries.URL_PASSWORD}))  # type: ignore[arg-type]
    assert isinstance(raised(made.check_access), DeniedError)
    error = raised(lambda: CALLS[call](made, url))
    assert isinstance(error, DeniedError)
    assert url.partition("documents")[0] in error.message
    assert s3_server.url in error.message
    made.close()


@each_call
@each_client
def test_a_missing_bucket_is_named(s3_server: S3Server, call: str, url: str) -> None:
    made = open_s3(driver(s3_server.url, "documents"))
    for work in (made.check_access, made.prepare, made.check_access, lambda: CALLS[call](made, url)):
        if work == made.prepare:
            made.prepare()
            continue
        error = raised(work)
        assert isinstance(error, UnreachableError)
        assert error.message == f"bucket documents does not exist at {s3_server.url}"
        assert "create_bucket: true" in error.hint
    made.close()


def test_a_missing_bucket_is_created_where_the_config_says_so(s3_server: S3Server, clients: Clients) -> None:
    client = clients.at(s3_server.url, s3_server.access_key, s3_server.secret_key)
    made = open_s3(driver(s3_server.url, "made-by-prepare", create_bucket=True))
    made.check_access()
    assert isinstance(raised(lambda: made.read(["s3://made-by-prepare/k"])), UnreachableError)
    made.prepare()
    client.put_object(Bucket="made-by-prepare", Key="kept", Body=b"x")
    made.prepare()
    made.check_access()
    assert keys(client, "made-by-prepare") == ["kept"]
    made.close()
    client.delete_object(Bucket="made-by-prepare", Key="kept")
    client.delete_bucket(Bucket="made-by-prepare")


def test_a_bucket_that_may_not_be_read_is_not_taken_for_created(s3_server: S3Server) -> None:
    made = open_s3(driver(s3_server.url, "documents", secret_key="wrong", create_bucket=True))
    assert isinstance(raised(made.prepare), DeniedError)
    made.close()


def test_a_bucket_that_may_not_be_created_is_denied(scripted: Scripted) -> None:
    def answer(request: Request) -> Reply:
        return s3_error(404, "NoSuchBucket") if request.method == "GET" else s3_error(403, "AccessDenied")

    scripted.answer = answer
    made = open_s3(driver(scripted.url, "documents", create_bucket=True))
    assert isinstance(raised(made.prepare), DeniedError)
    made.close()


def test_a_bucket_that_somebody_else_creates_meanwhile_is_as_good(scripted: Scripted) -> None:
    def answer(request: Request) -> Reply:
        if request.method == "PUT":
            return s3_error(409, "BucketAlreadyOwnedByYou")
        return s3_error(404, "NoSuchBucket" if len(scripted.requests) == 1 else "NoSuchKey")

    scripted.answer = answer
    made = open_s3(driver(scripted.url, "documents", create_bucket=True))
    made.prepare()
    assert [request.method for request in scripted.requests] == ["GET", "PUT", "GET"]
    made.close()


def test_a_bucket_behind_a_path_is_not_created(scripted: Scripted) -> None:
    # There the request that creates a bucket would write an object.
    scripted.answer = lambda _: s3_error(404, "NoSuchBucket")
    made = open_s3(driver(f"{scripted.url}/base", "documents", create_bucket=True))
    made.prepare()
    assert isinstance(raised(made.check_access), UnreachableError)
    assert {request.method for request in scripted.requests} == {"GET"}
    made.close()


def test_a_bucket_name_that_cannot_be_is_the_configs_mistake(s3_server: S3Server) -> None:
    made = open_s3(driver(s3_server.url, "no bucket"))
    assert isinstance(raised(made.check_access), ConfigError)
    made.close()


@each_call
@each_client
def test_a_closed_port_is_unreachable(impatient: None, call: str, url: str) -> None:  # noqa: ARG001 - patches
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
        made = open_s3(driver(endpoint, "documents"))
        error = raised(lambda: CALLS[call](made, url))
        assert isinstance(error, UnreachableError)
        assert endpoint in error.message
        assert isinstance(raised(made.check_access), UnreachableError)
    made.close()


@each_call
@each_client
def test_a_server_that_stays_broken_is_unreachable(store: S3Store, scripted: Scripted, call: str, url: str) -> None:
    scripted.answer = lambda _: s3_error(503, "SlowDown", "Please reduce your request rate.")
    error = raised(lambda: CALLS[call](store, url))
    assert isinstance(error, UnreachableError)
    assert "503" in error.message or "SlowDown" in error.message
    # One retry, and then the question whether it is the whole server; of obstore's own deletion nobody learns more.
    assert len(scripted.requests) == (4 if (call, url) == ("delete", URL) else 3)


@each_client
def test_a_passing_fault_is_tried_again(store: S3Store, scripted: Scripted, url: str) -> None:
    scripted.answer = lambda _: Reply(503) if len(scripted.requests) == 1 else Reply(200, {"ETag": f'"{MD5}"'})
    assert store.write([(url, b"payload")]) == [Stat(7, None)]
    assert [request.body for request in scripted.requests] == [b"payload", b"payload"]


@each_client
def test_a_reply_that_breaks_off_is_no_payload(store: S3Store, scripted: Scripted, url: str) -> None:
    scripted.answer = lambda _: Reply(200, OK_HEAD | {"Content-Length": "100"}, b"payload")
    (answer,) = store.read([url])
    assert isinstance(answer, Fault)
    assert answer.reason is Reason.UNAVAILABLE


@each_client
def test_what_the_server_refuses_is_one_documents_fault(store: S3Store, scripted: Scripted, url: str) -> None:
    def answer(request: Request) -> Reply:
        too_long = s3_error(400, "KeyTooLongError", "Your key is too long.")
        return too_long if "long" in request.path else Reply(200, {"ETag": '"x"'})

    scripted.answer = answer
    refused, stored = store.write([(f"{url}long", b"x"), (url, b"x")])
    assert refused == Fault(Reason.REFUSED, f"{url}long: {scripted.url} says KeyTooLongError: Your key is too long.")
    assert stored == Stat(1, None)


# A HEAD has no body to say so.
@pytest.mark.parametrize("call", ["read", "write", "delete"])
def test_another_region_is_said_to_be_one(store: S3Store, scripted: Scripted, call: str) -> None:
    scripted.answer = lambda _: s3_error(400, "AuthorizationHeaderMalformed", "expecting 'eu-west-1'")
    error = raised(lambda: CALLS[call](store, URL))
    assert isinstance(error, UnreachableError)
    assert "region" in error.hint


def test_a_redirect_is_another_region(store: S3Store, scripted: Scripted) -> None:
    scripted.answer = lambda _: Reply(301)
    assert "region" in raised(lambda: store.read([URL])).hint


@pytest.mark.parametrize("page", [Reply(404, {}, b"<html>nothing here</html>"), Reply(400, {}, b"bad request")])
def test_a_web_server_is_no_s3_endpoint(store: S3Store, scripted: Scripted, page: Reply) -> None:
    scripted.answer = lambda _: page
    assert isinstance(raised(store.check_access), UnreachableError | ConfigError)


def test_check_access_needs_the_right_to_see_what_is_missing(store: S3Store, scripted: Scripted) -> None:
    scripted.answer = lambda _: s3_error(403, "AccessDenied", "Access Denied")
    error = raised(store.check_access)
    assert isinstance(error, DeniedError)
    assert "s3:ListBucket" in error.hint


def test_checking_asks_below_the_prefix_and_writes_nothing(scripted: Scripted) -> None:
    made = open_s3(driver(scripted.url, "documents", prefix="internal"))
    scripted.answer = lambda _: s3_error(404, "NoSuchKey")
    made.check_access()
    assert [request.method for request in scripted.requests] == ["GET"]
    assert all(request.path.startswith("/documents/internal") for request in scripted.requests)
    made.close()


def test_a_bucket_that_vanished_is_not_a_bucket_of_absent_objects(store: S3Store, scripted: Scripted) -> None:
    scripted.answer = lambda _: s3_error(404, "NoSuchBucket")
    assert isinstance(raised(lambda: store.stat([URL])), UnreachableError)
    scripted.answer = lambda _: s3_error(404, "NoSuchKey")
    assert store.stat([URL]) == [Absent()]


def test_a_bulk_deletion_tells_what_is_still_there(store: S3Store, scripted: Scripted) -> None:
    entry = "<Error><Key>locked</Key><Code>AccessDenied</Code><Message>held</Message></Error>"
    gone = "<Error><Key>gone</Key><Code>NoSuchKey</Code><Message>-</Message></Error>"
    scripted.answer = lambda _: Reply(200, {}, f"<DeleteResult>{entry}{gone}</DeleteResult>".encode())
    answers = store.delete([f"s3://documents/{key}" for key in ("a", "locked", "gone", "b")])
    assert answers == [None, Fault(Reason.REFUSED, "not deleted: AccessDenied: held"), None, None]
    (request,) = scripted.requests
    assert request.headers["content-md5"]


@each_client
def test_the_deletion_of_one_object_tells_why_it_is_still_there(store: S3Store, scripted: Scripted, url: str) -> None:
    key = url.removeprefix("s3://documents/")
    entry = f"<Error><Key>{key}</Key><Code>AccessDenied</Code><Message>held</Message></Error>"
    scripted.answer = lambda _: Reply(200, {}, f"<DeleteResult>{entry}</DeleteResult>".encode())
    assert store.delete([url]) == [Fault(Reason.REFUSED, "not deleted: AccessDenied: held")]


@pytest.mark.parametrize("said", ["<Key/>", "", "<Key>another</Key>"])
def test_a_bulk_deletion_that_does_not_say_what_is_still_there_proves_nothing(
    store: S3Store, scripted: Scripted, said: str
) -> None:
    def answer(request: Request) -> Reply:
        if request.method == "POST":
            return Reply(200, {}, f"<DeleteResult><Error>{said}<Code/></Error></DeleteResult>".encode())
        return s3_error(403, "AccessDenied") if request.path.endswith("held") else Reply(204)

    scripted.answer = answer
    gone, held = store.delete(["s3://third/gone", "s3://third/held"])
    assert gone is None
    assert isinstance(held, Fault)


def test_without_bulk_deletion_objects_go_one_by_one(store: S3Store, scripted: Scripted) -> None:
    def answer(request: Request) -> Reply:
        if request.method == "POST":
            return s3_error(405, "MethodNotAllowed")
        return s3_error(403, "AccessDenied") if request.path.endswith("held") else Reply(204)

    scripted.answer = answer
    assert store.delete(["s3://documents/a", "s3://documents/b"]) == [None, None]
    assert sorted(request.path for request in scripted.requests[1:]) == ["/documents/a", "/documents/b"]


@pytest.mark.parametrize(
    ("put", "head", "stored"),
    [
        ("-of-another-kind", MD5, True),
        ("{md5}", "-of-another-kind", True),
        ("{md5}-1", "{md5}-1", True),
        ('W/"{md5}"', 'W/"{md5}"', True),
        ("0" * 32, "0" * 32, True),
        ("{md5}", "{md5}", False),
    ],
    ids=["PUT differs", "HEAD differs", "parts", "weak", "another digest", "nothing stored"],
)
def test_an_etag_is_no_md5_unless_every_word_of_the_server_agrees(
    store: S3Store, scripted: Scripted, put: str, head: str, stored: bool
) -> None:
    scripted.answer = forgetful(put, head, stored)
    assert store.prove_digests(URL) is False
    assert store.write([(URL, b"payload")]) == [Stat(7, None)]
    assert "POST" in {request.method for request in scripted.requests}


def test_an_etag_is_an_md5_where_every_word_agrees(store: S3Store, scripted: Scripted) -> None:
    scripted.answer = forgetful("{md5}", "{md5}", stored=True)
    assert store.prove_digests(URL) is True
    store.write([(URL, b"payload")])
    assert store.stat([URL]) == [Stat(7, MD5)]
    scripted.answer = forgetful("{md5}", "0" * 32, stored=True)
    assert store.prove_digests(URL) is False


def test_the_probe_is_removed_also_when_it_cannot_be_read(store: S3Store, scripted: Scripted) -> None:
    def answer(request: Request) -> Reply:
        return s3_error(403, "AccessDenied") if request.method in {"GET", "HEAD"} else Reply(200, {"ETag": '"x"'})

    scripted.answer = answer
    assert isinstance(raised(lambda: store.prove_digests(URL)), DeniedError)
    assert b"<Key>admin/analysis_data/k</Key>" in scripted.requests[-1].body


@pytest.mark.parametrize(
    ("reply", "asked"),
    [(s3_error(503, "SlowDown"), 2), (s3_error(403, "AccessDenied"), 1), (Reply(200, body=b"Nothing"), 1)],
    ids=["busy", "not allowed", "no list"],
)
def test_a_list_that_fails_is_asked_for_again_only_where_it_may_pass(
    store: S3Store, scripted: Scripted, reply: Reply, asked: int
) -> None:
    scripted.answer = lambda request: Reply(200, OK_HEAD) if request.method == "HEAD" else reply
    urls = [f"{URL}{number}" for number in range(10)]

    looks = store.overview(urls) + store.overview(urls)

    assert [look.size for look in looks if isinstance(look, Stat)] == [7] * 20
    assert sum("list-type" in one.path for one in scripted.requests) == asked


def test_a_list_that_only_fails_in_passing_does_not_bring_back_lists_that_are_not_allowed(
    store: S3Store, scripted: Scripted
) -> None:
    both_asked, refused = threading.Barrier(2), threading.Event()

    def answer(request: Request) -> Reply:
        if request.method == "HEAD":
            return Reply(200, OK_HEAD)
        both_asked.wait(timeout=20)
        if "late" not in request.path:
            return s3_error(403, "AccessDenied")
        refused.wait(timeout=20)
        return s3_error(503, "SlowDown")

    scripted.answer = answer
    early, late = ([f"s3://documents/{folder}/{number}" for number in range(10)] for folder in ("early", "late"))
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(store.overview, late)
        store.overview(early)
        refused.set()
        waiting.result()
        store.overview(early)

    assert sum("list-type" in one.path for one in scripted.requests) == 2


def forgetful(put: str, head: str, stored: bool) -> Callable[[Request], Reply]:
    """Answer like a server that keeps one object, perhaps, and whose ETags follow these patterns."""
    kept: dict[str, bytes] = {}

    def answer(request: Request) -> Reply:
        payload = kept.get("it", b"")
        match request.method:
            case "PUT":
                kept["it"] = request.body
                md5 = hashlib.md5(request.body, usedforsecurity=False).hexdigest()
                return Reply(200, {"ETag": f'"{put.format(md5=md5)}"'})
            case "HEAD":
                md5 = hashlib.md5(payload, usedforsecurity=False).hexdigest()
                etag = f'"{head.format(md5=md5)}"'
                return Reply(200, OK_HEAD | {"ETag": etag, "Content-Length": str(len(payload))})
            case "GET":
                body = payload if stored else b"something else"
                return Reply(200, OK_HEAD | {"Content-Length": str(len(body))}, body)
            case _:
                return Reply(200, {}, b"<DeleteResult></DeleteResult>")

    return answer
