"""The demo: true documents, a story that runs to its end, and nothing left behind however it ends."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from pydantic import SecretStr

from restow.demo import deployment, tables
from restow.demo.corpus import Document, documents
from restow.demo.servers import PostgresServer
from restow.demo.story import STORY, Step, child_environment, let_go_on_by_hand, run_demo, tell
from schemas.errors import UsageError
from stores.database import Database, DatabaseOptions

RESTOW = Path(sys.executable).parent / "restow"
SECRETS = (deployment.PASSWORD, deployment.ACCESS_KEY, deployment.SECRET_KEY)


@pytest.fixture(scope="module")
def corpus() -> list[Document]:
    return list(documents())


@pytest.fixture(scope="module")
def anchore(corpus: list[Document], postgres_server: PostgresServer, administrator: sa.Engine) -> Iterator[Database]:
    with administrator.connect() as connection:
        connection.execute(sa.text("CREATE DATABASE demo_sample"))
    database = Database(SecretStr(postgres_server.url("demo_sample")), DatabaseOptions())
    tables.create(database)
    tables.fill(database, corpus)
    yield database
    database.close()
    with administrator.connect() as connection:
        connection.execute(sa.text("DROP DATABASE demo_sample WITH (FORCE)"))


@pytest.fixture
def temporary() -> Iterator[Path]:
    # Not pytest's own: another pytest of the same user would lock the demo's PostgreSQL out of it.
    directory = Path(tempfile.mkdtemp(prefix="restow-demo-test-"))
    yield directory
    shutil.rmtree(directory)


def test_the_same_seed_gives_the_same_documents_and_another_seed_others() -> None:
    first, again, other = (list(documents(seed, images=2, archived=1)) for seed in (1, 1, 2))
    assert first == again
    assert {document.payload for document in first}.isdisjoint(document.payload for document in other)


@pytest.mark.parametrize(
    ("bucket", "at_least", "smallest", "largest"),
    [
        ("policy_bundles", 5, 2_000, 8_000),
        ("manifest_data", 30, 2_000, 6_000),
        ("parent_manifest_data", 30, 2_000, 6_000),
        ("analysis_data", 30, 200_000, 3_000_000),
        ("image_content_data", 30, 50_000, 500_000),
        ("vulnerability_scan", 30, 10_000, 200_000),
        ("syft_sbom", 30, 40_000, 400_000),
        ("policy_evaluations", 40, 3_000, 60_000),
        ("query_data", 5, 10_000, 200_000),
        ("analysis_archive", 10, 50_000, 800_000),
    ],
)
def test_each_kind_of_document_has_a_realistic_size(
    corpus: list[Document], bucket: str, at_least: int, smallest: int, largest: int
) -> None:
    sizes = [len(document.payload) for document in corpus if document.name.bucket == bucket]
    assert len(sizes) >= at_least
    assert smallest <= min(sizes)
    assert max(sizes) <= largest


def test_there_are_a_few_hundred_documents_and_no_two_share_a_name(corpus: list[Document]) -> None:
    assert 300 <= len(corpus) <= 500
    assert len({document.name for document in corpus}) == len(corpus)
    assert all(document.name.document_name == f"{document.name.archive_id}.json" for document in corpus)


def test_analyses_compress_as_real_ones_do(corpus: list[Document]) -> None:
    ratios = [
        len(document.payload) / len(zlib.compress(document.payload, 3))
        for document in corpus
        if document.name.bucket == "analysis_data"
    ]
    assert 5 <= statistics.median(ratios) <= 10


def test_payloads_are_what_anchore_stores(corpus: list[Document]) -> None:
    for document in corpus:
        if document.name.bucket == "analysis_archive":
            with tarfile.open(fileobj=io.BytesIO(document.payload), mode="r:gz") as tar:
                assert {"archive_manifest", "analysis", "image_content", "image_manifest"} <= set(tar.getnames())
        else:
            assert list(json.loads(document.payload)) == ["document"]


def test_what_an_analysis_says_of_a_file_is_json_as_well(corpus: list[Document]) -> None:
    analysis = next(document for document in corpus if document.name.bucket == "analysis_data")
    report = json.loads(analysis.payload)["document"][0]["image"]["imagedata"]["analysis_report"]
    files = report["file_list"]["files.allinfo"]["base"]
    assert all(json.loads(about)["fullpath"] == path for path, about in files.items())
    assert files.keys() == report["file_checksums"]["files.sha256sums"]["base"].keys()


def test_every_row_tells_the_truth_about_its_payload(anchore: Database, corpus: list[Document]) -> None:
    with anchore.transaction(snapshot=True) as transaction:
        rows = transaction.rows(
            """SELECT m.*, d.jsondata, d.b64_encoded FROM archive_metadata m
               JOIN archive_document d USING (bucket, "archiveId", "userId", "documentName")"""
        )
    stored = {
        (row.bucket, row.archiveId, row.userId, row.documentName): (
            base64.b64decode(row.jsondata) if row.b64_encoded else row.jsondata.encode()
        )
        for row in rows
    }
    assert stored == {tuple(document.name): document.payload for document in corpus}
    for row in rows:
        payload = stored[row.bucket, row.archiveId, row.userId, row.documentName]
        assert row.content_url == f"db://{row.userId}/{row.bucket}/{row.archiveId}"
        assert (row.digest, row.size) == (hashlib.md5(payload, usedforsecurity=False).hexdigest(), len(payload))
        assert row.is_compressed is False
        assert row.b64_encoded == (row.bucket == "analysis_archive")
        assert row.record_state_key == "active"


def test_archived_images_name_their_archive_and_all_services_are_down(anchore: Database) -> None:
    with anchore.transaction(snapshot=True) as transaction:
        archives = transaction.rows(
            """SELECT i.account, i.archive_size_bytes, m.size FROM archive_metadata m
               LEFT JOIN catalog_archived_images i
                 ON (i.manifest_bucket, i.manifest_key, i.account) = (m.bucket, m."archiveId", m."userId")
                AND m."archiveId" = i."imageDigest" || '.tar.gz'
               WHERE m.bucket = 'analysis_archive'"""
        )
        services = transaction.rows("SELECT servicename, now() - to_timestamp(heartbeat) AS silent FROM services")
    assert archives
    assert all(row.account is not None and row.archive_size_bytes == row.size for row in archives)
    assert {"catalog", "policy_engine", "analyzer"} <= {row.servicename for row in services}
    assert all(row.silent.total_seconds() > 300 for row in services)


def test_the_commands_see_nothing_of_the_users_own_deployment() -> None:
    outer = {
        "PATH": "/bin",
        "RESTOW_DB_CONNECT": "postgresql://production/anchore",
        "ANCHORE_DB_PASSWORD": "production",
        "AWS_PROFILE": "production",
    }
    seen = child_environment(outer)
    assert seen["PATH"] == "/bin"
    assert "production" not in " ".join(seen.values())


def test_a_command_that_fails_ends_the_story_with_its_exit_code(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = tell((Step("A typing mistake.", "restow no-such-command"), Step("Not reached.", "restow --help")), tmp_path)
    assert code != 0
    said = capfd.readouterr().err
    assert f"exit code {code}" in said
    assert "Not reached." not in said


def test_keep_wants_a_directory_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious", encoding="utf-8")
    with pytest.raises(UsageError, match="neither an empty directory"):
        run_demo(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_demo_runs_to_the_snippet_and_leaves_nothing_behind(temporary: Path, corpus: list[Document]) -> None:
    ended = subprocess.run(
        [RESTOW, "demo"],
        env=_environment(temporary),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert ended.returncode == 0, ended.stderr
    assert [line for line in ended.stderr.splitlines() if line.startswith("$ restow ")] == [
        f"$ {step.command.format(plan_digest=_expected(ended.stderr))}" for step in STORY
    ]
    assert f"{len(corpus)} at s3://; archive_document holds 0 payloads" in ended.stderr
    section = yaml.safe_load(ended.stdout[ended.stdout.rindex("services:") :])["services"]["catalog"]["object_store"]
    driver = section["storage_driver"]
    assert (driver["name"], driver["config"]["prefix"]) == ("s3", "internaltest")
    assert driver["config"]["secret_key"] == "${ANCHORE_OBJECT_STORE_SECRET_KEY}"
    assert not [secret for secret in SECRETS if secret in ended.stdout + ended.stderr]
    _assert_nothing_left(temporary)


def test_with_keep_the_servers_run_until_ctrl_c_and_what_stays_can_be_started_again(temporary: Path) -> None:
    kept = temporary / "kept"
    master, terminal = os.openpty()
    with _started(temporary, "--keep", kept, stdin=terminal) as process:
        said = _read_until(process, "  restow status plan.json")
        assert f"cd {kept} && export ANCHORE_ENV_FILE=anchore.env" in said
        assert _running_in(kept)
        process.send_signal(signal.SIGINT)
        assert process.wait(180) == 0
    os.close(terminal)
    os.close(master)
    names = {path.name for path in kept.iterdir()}
    assert {"config.yaml", "dest-config.yaml", "anchore.env", "plan.json", "plan.report.json", "servers"} <= names
    readable = [path for path in kept.iterdir() if path.is_file() and path.name != "anchore.env"]
    assert not [path for path in readable for secret in SECRETS if secret in path.read_text(encoding="utf-8")]
    assert (kept / "anchore.env").stat().st_mode & 0o077 == 0
    assert not _running_in(temporary)

    with _started(temporary, "--keep", kept) as process:
        _read_until(process, "  restow status plan.json")
        done = tell((Step("Done stays done.", "restow apply plan.json --yes"),), kept)
        process.send_signal(signal.SIGTERM)
        assert process.wait(180) == 0
    assert done == 0
    assert not _running_in(temporary)


def test_with_keep_and_no_terminal_there_is_nothing_to_wait_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    let_go_on_by_hand(tmp_path)
    assert str(tmp_path) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("moment", "number", "code"),
    [
        ("Before: ", signal.SIGINT, 130),
        ("$ restow apply", signal.SIGTERM, 143),
    ],
)
def test_a_signal_ends_the_demo_and_leaves_nothing_behind(
    temporary: Path, moment: str, number: signal.Signals, code: int
) -> None:
    with _started(temporary) as process:
        _read_until(process, moment)
        assert _running_in(temporary)
        process.send_signal(number)
        assert process.wait(180) == code
    _assert_nothing_left(temporary)


@contextlib.contextmanager
def _started(
    temporary: Path, *arguments: str | Path, stdin: int = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [RESTOW, "demo", *arguments],
        env=_environment(temporary),
        stdin=stdin,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _read_until(process: subprocess.Popen[str], beginning: str) -> str:
    """Return what the demo said up to the first line that begins so."""
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if line.startswith(beginning):
            return said
    raise AssertionError(f"the demo never said {beginning!r}:\n{said}")


def _expected(said: str) -> str:
    """Return the digest that the first apply was told to expect."""
    found = re.search(r"--expect (sha256:[0-9a-f]{64})", said)
    assert found is not None
    return found[1]


def _environment(temporary: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(temporary), "COLUMNS": "120"}


def _assert_nothing_left(temporary: Path) -> None:
    assert list(temporary.iterdir()) == []
    assert not _running_in(temporary)


def _running_in(directory: Path) -> list[str]:
    """Return the command lines of processes that work inside ``directory``."""
    found = []
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = cmdline.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(directory) in text:
            found.append(text)
    return found
