"""How the connection to PostgreSQL is encrypted: as URL and options ask for it together, or it is not made."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from pydantic import SecretStr

from schemas.errors import ConfigError, UnreachableError
from stores.database import Database, DatabaseFaultError, DatabaseOptions
from tests.tls import Tls, certificates, encrypted

ONCE = DatabaseOptions(retries=0)


@pytest.fixture
def encrypting(anchore_database: str, tls: Tls) -> Iterator[str]:
    with encrypted(anchore_database, tls.server) as url:
        yield url


def ask(url: str, options: DatabaseOptions = ONCE) -> int:
    with contextlib.closing(Database(SecretStr(url), options)) as database:
        return int(database.run(lambda transaction: transaction.one("SELECT 42 AS answer").answer))


@pytest.mark.parametrize("asked", ["sslmode=require", "sslmode=verify-ca", "sslmode=verify-full", "sslmode=disable"])
def test_the_options_encrypt_whatever_the_url_says(encrypting: str, tls: Tls, asked: str) -> None:
    assert ask(f"{encrypting}?{asked}", DatabaseOptions(retries=0, use_ssl=True, ca_file=tls.authority)) == 42
    assert ask(encrypting, DatabaseOptions(retries=0, use_ssl=True)) == 42
    assert ask(encrypting, DatabaseOptions(retries=0, ca_file=tls.authority)) == 42


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_a_url_encrypts_as_its_sslmode_says(encrypting: str, tls: Tls, tmp_path: Path, mode: str) -> None:
    assert ask(f"{encrypting}?sslmode={mode}&sslrootcert={tls.authority}") == 42
    with pytest.raises(UnreachableError, match="certificate that is not accepted"):
        ask(f"{encrypting}?sslmode={mode}&sslrootcert={certificates(tmp_path).authority}")


def test_only_the_full_check_wants_the_host_in_the_certificate(encrypting: str, tls: Tls) -> None:
    elsewhere = encrypting.replace("127.0.0.1", "localhost")
    trusted = f"sslrootcert={tls.authority}"
    assert ask(f"{elsewhere}?sslmode=require") == 42
    assert ask(f"{elsewhere}?sslmode=verify-ca&{trusted}") == 42
    with pytest.raises(UnreachableError, match="not valid for"):
        ask(f"{elsewhere}?sslmode=verify-full&{trusted}")
    with pytest.raises(UnreachableError, match="not valid for"):
        ask(elsewhere, DatabaseOptions(retries=0, ca_file=tls.authority))


@pytest.mark.parametrize("asked", ["verify-ca", "verify-full", "verify-full&sslrootcert=system"])
def test_a_certificate_of_an_authority_that_the_machine_does_not_know_is_refused(encrypting: str, asked: str) -> None:
    with pytest.raises(UnreachableError, match="certificate that is not accepted"):
        ask(f"{encrypting}?sslmode={asked}")


@pytest.mark.parametrize("mode", ["require", "verify-full"])
def test_nothing_is_sent_in_the_clear_to_a_server_that_does_not_encrypt(anchore_database: str, mode: str) -> None:
    assert ask(anchore_database) == 42
    with pytest.raises(UnreachableError, match="does not encrypt"):
        ask(f"{anchore_database}?sslmode={mode}")


def test_an_authority_that_cannot_be_read_is_named(anchore_database: str, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    gone = tmp_path / "gone.pem"
    for file, reason in ((empty, "holds no certificate"), (gone, "No such file")):
        with pytest.raises(ConfigError, match=f"{file.name} .*{reason}") as refused:
            ask(f"{anchore_database}?sslmode=verify-full&sslrootcert={file}")
        assert "--db-ca FILE" in str(refused.value.hint)


def test_what_is_refused_is_not_tried_again(encrypting: str, anchore_database: str) -> None:
    """It would be refused each time, after longer and longer pauses."""
    pauses: list[float] = []
    for url in (f"{encrypting}?sslmode=verify-full", f"{anchore_database}?sslmode=require"):
        with patch.object(time, "sleep", pauses.append), pytest.raises(UnreachableError):
            ask(url, DatabaseOptions(retries=50))
    assert pauses == []


def test_the_wait_for_a_reply_is_bounded_here_too(encrypting: str) -> None:
    with contextlib.closing(
        Database(SecretStr(encrypting), DatabaseOptions(use_ssl=True, timeout=0.2, retries=0), connections=1)
    ) as database:
        with pytest.raises(DatabaseFaultError, match="timed out"):
            database.run(lambda transaction: transaction.one("SELECT 41 AS answer, pg_sleep(0.5)"))
        assert database.run(lambda transaction: transaction.one("SELECT 42 AS answer")).answer == 42
