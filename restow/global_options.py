"""The options that every command takes, and what they mean together with a config."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from restow.talk import LogFormat, Talk
from schemas.config import StorageConfig

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
        from stores.database import Database, DatabaseOptions

        # Of a config whose URL is not used its other settings still hold: they are about the server, not the role.
        config = source.database if self.db_connect is not None else require_database(source)
        configured = (config.timeout, config.connect_timeout, config.ssl) if config is not None else (None, None, False)
        timeout, connect_timeout, use_ssl = configured
        url = self.db_connect if self.db_connect is not None else require_database(source).db_connect
        options = DatabaseOptions(
            use_ssl=self.db_use_ssl or use_ssl,
            ca_file=self.db_ca,
            timeout=_first(self.db_timeout, timeout),
            connect_timeout=_first(self.db_connect_timeout, connect_timeout) or CONNECT_TIMEOUT_SECONDS,
            retries=self.db_retries,
        )
        return Database(url, options, connections=connections)


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)
