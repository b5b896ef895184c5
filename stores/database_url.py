"""The URL of Anchore's database: which one it names, for whom, and what it asks of the connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from pydantic import SecretStr

from schemas.errors import ConfigError
from schemas.plan import DatabaseName

DIALECTS = ("postgresql", "postgresql+pg8000")
HINT = "expected postgresql://user:password@host:5432/name"

SSLMODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
"""https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION; only from the fourth on is encryption
asked for."""
WITHOUT_MEANING = frozenset(
    {"application_name", "client_encoding", "connect_timeout", "fallback_application_name", "keepalives",
     "keepalives_count", "keepalives_idle", "keepalives_interval", "tcp_keepalive", "tcp_user_timeout", "timeout"}
)  # fmt: skip
"""Parameters that change neither the database, nor what is seen of it, nor who else may look."""


@dataclass(frozen=True)
class DatabaseUrl:
    user: str
    password: SecretStr | None
    name: DatabaseName
    sslmode: str | None
    authority: Path | None
    """PEM of those who sign the server's certificate, as the URL names it."""

    @property
    def where(self) -> str:
        return f"{self.name.host}:{self.name.port}/{self.name.name}"


def parse_url(url: SecretStr) -> DatabaseUrl:
    """Read a database URL. Raises ConfigError, also for a parameter that is not known here.

    It could name another server, another schema, or a protection that would not be had.
    """
    parsed = _split(url)
    mode = _only(parsed, "sslmode")
    if mode is not None and mode not in SSLMODES:
        raise ConfigError("sslmode in the database URL is none", hint=f"give one of {', '.join(SSLMODES)}")
    if parsed.query.keys() - WITHOUT_MEANING - {"sslmode", "sslrootcert"}:
        raise ConfigError(
            "the database URL has a parameter that restow does not know",
            hint="give the URL without it by --db-connect or RESTOW_DB_CONNECT; sslmode and sslrootcert are followed",
        )
    authority = _only(parsed, "sslrootcert")
    checking = {"verify-full"} if authority == "system" else {"require", "verify-ca", "verify-full"}
    if authority is not None and mode not in checking:
        raise ConfigError(
            "sslrootcert in the database URL names who signs certificates, and sslmode asks for none to be checked",
            hint="add sslmode=verify-full",
        )
    return DatabaseUrl(
        user=parsed.username or "postgres",
        password=None if parsed.password is None else SecretStr(parsed.password),
        name=DatabaseName(
            host=parsed.host or "localhost", port=parsed.port or 5432, name=parsed.database or parsed.username or ""
        ),
        sslmode=mode,
        authority=None if authority in {None, "system"} else Path(str(authority)),
    )


def _only(url: sa.URL, parameter: str) -> str | None:
    value: str | Sequence[str] | None = url.query.get(parameter)
    if value is None or isinstance(value, str):
        return value
    raise ConfigError(f"the database URL has {parameter} twice", hint="keep one of them")


def _split(url: SecretStr) -> sa.URL:
    try:
        parsed = sa.make_url(url.get_secret_value())
        for part in (parsed.username, parsed.password, parsed.database):
            (part or "").encode()
        # As the resolver will do it; of a port it takes the remainder by 65536.
        (parsed.host or "").encode("idna")
    except (sa.exc.ArgumentError, ValueError):
        raise ConfigError("the database URL cannot be read", hint=HINT) from None
    if not 0 < (5432 if parsed.port is None else parsed.port) < 65_536:
        raise ConfigError("the port of the database URL is not between 1 and 65535", hint=HINT)
    if "@" in f"{parsed.host}{parsed.database}":
        # Part of the password has been taken for the host and the name, which are shown.
        raise ConfigError("the database URL has an @ too many", hint="in user and password write @ as %40, / as %2F")
    if parsed.drivername not in DIALECTS:
        raise ConfigError("the database URL does not begin with postgresql://", hint=HINT)
    return parsed
