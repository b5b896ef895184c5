"""A second S3 server beside the shared ones, and the database as the stores see it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from moto.server import ThreadedMotoServer
from pydantic import SecretStr

from stores.database import Database, DatabaseOptions
from tests.stores.scripted import Scripted


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """An S3 server that keeps every key as it is, checks no signature and forgets all at the end."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """An HTTP server that answers as the test tells it to."""
    made = Scripted()
    yield made
    made.close()


@dataclass(frozen=True)
class Tls:
    authority: Path
    """PEM of a certificate authority that nobody knows."""
    server: Path
    """PEM of a key, and a certificate for 127.0.0.1 by that authority."""
    self_signed: Path
    """PEM of a key, and a certificate for 127.0.0.1 that calls itself an authority, as openssl req -x509 makes it."""


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    directory = tmp_path_factory.mktemp("tls")
    made = Tls(*(directory / f"{name}.pem" for name in ("authority", "server", "self_signed")))
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    is_ca = x509.BasicConstraints(ca=True, path_length=None)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    authority = _certificate("restow authority", ca_key, None).add_extension(is_ca, critical=True)
    server = _certificate("restow server", key, "restow authority").add_extension(address, critical=False)
    both = authority.add_extension(address, critical=False)
    made.authority.write_bytes(authority.sign(ca_key, hashes.SHA256()).public_bytes(Encoding.PEM))
    made.server.write_bytes(_pem(key, server.sign(ca_key, hashes.SHA256())))
    made.self_signed.write_bytes(_pem(ca_key, both.sign(ca_key, hashes.SHA256())))
    return made


def _pem(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> bytes:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + certificate.public_bytes(Encoding.PEM)


def _certificate(name: str, key: ec.EllipticCurvePrivateKey, issuer: str | None) -> x509.CertificateBuilder:
    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer or name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )


@pytest.fixture
def database(anchore_database: str) -> Iterator[Database]:
    made = Database(SecretStr(anchore_database), DatabaseOptions(timeout=60.0, retries=0))
    yield made
    made.close()


@pytest.fixture
def engine(anchore_database: str) -> Iterator[sa.Engine]:
    """Plain SQL on the same database, none of the project's code between."""
    made = sa.create_engine(anchore_database.replace("postgresql://", "postgresql+pg8000://"))
    yield made
    made.dispose()
