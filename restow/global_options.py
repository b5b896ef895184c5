"""The options that every command takes, and what they mean together with a config."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from restow.talk import LogFormat, Talk
from schemas.config import DatabaseConfig, StorageConfig
from schemas.errors import UsageError

if TYPE_CHECKING:
    from stores.database import Database


CONNECT_TIMEOUT_SECONDS = 30.0


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

    def database(self, source: StorageConfig, *, connections: int = 4) -> Database:
        """Open the database that the options name, else the one that ``source`` names.

        Raises ConfigError when neither does.
        """
        from planner.load import require_database

        if self.db_connect is None:
            config = require_database(source)
            return self._open(config.db_connect, config, connections)
        # Of a config whose URL is not used its other settings still hold: they are about the server, not the role.
        return self._open(self.db_connect, source.database, connections)

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


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)
