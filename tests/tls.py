"""Servers that encrypt: certificates, and a PostgreSQL that is only to be had encrypted.

The shared PostgreSQL is built without TLS, so what encrypts stands before it.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.listening import listening

SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
"""https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-SSLREQUEST"""


@dataclass(frozen=True)
class Tls:
    authority: Path
    """PEM of a certificate authority that nobody knows."""
    server: Path
    """PEM of a key, and a certificate for 127.0.0.1 by that authority."""
    self_signed: Path
    """PEM of a key, and a certificate for 127.0.0.1 that calls itself an authority, as openssl req -x509 makes it."""


def certificates(directory: Path) -> Tls:
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


@contextlib.contextmanager
def encrypted(url: str, pem: Path) -> Iterator[str]:
    """Give the URL of the same database behind TLS, with this key and certificate."""
    behind = sa.make_url(url)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    def serve(connection: socket.socket) -> None:
        if connection.recv(len(SSL_REQUEST), socket.MSG_WAITALL) != SSL_REQUEST:
            return
        connection.sendall(b"S")
        with (
            # A client that refuses the certificate hangs up.
            contextlib.suppress(OSError),
            context.wrap_socket(connection, server_side=True) as client,
            socket.create_connection((behind.host or "", behind.port or 0)) as server,
        ):
            _relay(client, server)

    with listening(serve) as port:
        yield behind.set(port=port).render_as_string(hide_password=False)


def _relay(client: ssl.SSLSocket, server: socket.socket) -> None:
    other = {client: server, server: client}
    while True:
        ready = [client] if client.pending() else select.select([client, server], [], [])[0]
        for one in ready:
            data = one.recv(1 << 16)
            if not data:
                return
            other[one].sendall(data)
