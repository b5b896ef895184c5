"""Encryption of the connection to PostgreSQL, as URL and options ask for it together."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

from schemas.errors import ConfigError, UnreachableError
from stores.database_url import DatabaseUrl

SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
"""https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-SSLREQUEST"""


def tls_context(url: DatabaseUrl, *, use_ssl: bool, authority: Path | None) -> ssl.SSLContext | None:
    """Return how to encrypt, None for not at all; the options may ask for more than the URL, never for less.

    ``authority`` is the PEM of those who sign the server's certificate; without one of the URL's either, it is whom
    this machine trusts. Raises ConfigError when the file holds none.
    """
    file = authority or url.authority
    match url.sslmode:
        case "verify-ca" | "verify-full":
            checked = True
        case "require":
            # With a file libpq, too, checks the certificate then.
            checked = file is not None
        case _:
            checked = authority is not None
            if not checked and not use_ssl:
                return None
    try:
        context = ssl.create_default_context(cafile=file if checked else None)
    except OSError as error:
        reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        hint = "give --db-ca FILE, a PEM file with the certificate of the server's CA"
        raise ConfigError(f"{file} is to check the database's certificate: {reason}", hint=hint) from None
    # From Python 3.13 on it wants extensions that the certificates of many a private authority lack; libpq does not.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.check_hostname = checked and (authority is not None or url.sslmode == "verify-full")
    if not checked:
        # What Anchore's own `ssl: true` means: encrypted, whoever it is.
        context.verify_mode = ssl.CERT_NONE
    return context


def encrypted(plain: socket.socket, context: ssl.SSLContext, url: DatabaseUrl) -> ssl.SSLSocket:
    """Ask the server to encrypt from here on. Raises UnreachableError when it does not, or is not who it should be.

    pg8000 can do this too, but keeps the socket that encrypts to itself, and with it the wait for a reply.
    """
    plain.sendall(SSL_REQUEST)
    answer = plain.recv(1)
    if answer == b"N":
        hint = "turn TLS on at the server; or leave out --db-use-ssl, --db-ca, ssl: true and sslmode, whichever is set"
        raise UnreachableError(f"database {url.where} does not encrypt connections", hint=hint)
    if answer != b"S":
        raise ConnectionResetError("it could not be asked to encrypt")
    try:
        return context.wrap_socket(plain, server_hostname=url.name.host)
    except ssl.SSLCertVerificationError as error:
        said = f"database {url.where} shows a certificate that is not accepted: {error.verify_message}"
        raise UnreachableError(said, hint="check host and CA: --db-ca FILE, or sslrootcert in the URL") from None
