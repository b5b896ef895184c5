"""The options that every command takes, and what they mean together with a config."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from restow.talk import LogFormat, Talk
from schemas.errors import UsageError

if TYPE_CHECKING:
    from pydantic import SecretStr

    from schemas.config import DatabaseConfig, StorageConfig
    from stores.database import Database


CONNECT_TIMEOUT_SECONDS = 30.0
LONGEST_SECONDS = 31_536_000
"""A year; sockets take no more than a few centuries."""


@dataclass(frozen=True)
class GlobalOptions:
    db_connect: SecretStr | None = None
    db_use_ssl: bool = False
    db_ca: Path | None = None
    db_timeout: float | None = None
    db_connect_timeout: float | None = None
    db_retries: int = 3
    progress: bool = True
    log_format: LogFormat = LogFormat.TEXT
    talk: Talk = field(default_factory=Talk)

    def __post_init__(self) -> None:
        """Raise UsageError for a time or a CA file that nothing can be done with."""
        for option, seconds in (("--db-timeout", self.db_timeout), ("--db-connect-timeout", self.db_connect_timeout)):
            # Not true of NaN either.
            if seconds is not None and not 0 < seconds <= LONGEST_SECONDS:
                raise UsageError(f"{option} is not between 0 and {LONGEST_SECONDS}", hint="give seconds, such as 30")
        if self.db_ca is not None:
            _require_ca(self.db_ca)

    def database(self, source: StorageConfig, *, connections: int = 4) -> Database:
        """Open the database that the options name, else the one that ``source`` names.

        Raises ConfigError when neither does.
        """
        from planner.load import require_database
        from stores.database_url import parse_url

        if self.db_connect is None:
            config = require_database(source)
            return self._open(config.db_connect, config, connections)
        # Of a config whose URL is not used its other settings still hold: they are about the server, not the role. But
        # a URL that says not to encrypt is about a way of its own, a tunnel for one.
        known = source.database
        if known is not None and parse_url(self.db_connect).sslmode == "disable":
            known = known.model_copy(update={"ssl": False})
        return self._open(self.db_connect, known, connections)

    def database_of(self, path: Path | None) -> Database:
        """Open the database that the options name, else the one of the config in ``path``."""
        from planner.load import load_config

        if path is not None:
            return self.database(load_config(path, environment=os.environ))
        if self.db_connect is None:
            raise UsageError("no database is named", hint="name a config, or give --db-connect or RESTOW_DB_CONNECT")
        return self._open(self.db_connect, None, connections=1)

    def _open(self, url: SecretStr, config: DatabaseConfig | None, connections: int) -> Database:
        from stores.database import Database, DatabaseOptions

        timeout, connect_timeout = (config.timeout, config.connect_timeout) if config is not None else (None, None)
        options = DatabaseOptions(
            use_ssl=self.db_use_ssl or (config is not None and config.ssl),
            ca_file=self.db_ca,
            timeout=_first(self.db_timeout, timeout),
            connect_timeout=_first(self.db_connect_timeout, connect_timeout) or CONNECT_TIMEOUT_SECONDS,
            retries=self.db_retries,
        )
        return Database(url, options, connections=connections)


def _require_ca(path: Path) -> None:
    import ssl

    try:
        ssl.create_default_context(cafile=str(path))
    except ssl.SSLError:
        reason = "it holds no certificate"
    except OSError as error:
        reason = error.strerror or "it cannot be read"
    else:
        return
    raise UsageError(f"--db-ca {path}: {reason}", hint="name a PEM file with the certificate of the server's CA")


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)
