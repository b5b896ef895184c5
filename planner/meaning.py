"""What the sections of a config file mean to Anchore: which one counts, and its defaults. Pure."""

from __future__ import annotations

from urllib.parse import quote

from pydantic import SecretStr

from planner.redaction import without_user
from schemas.backend import DriverName
from schemas.config import (
    Compression,
    DatabaseConfig,
    Db2Driver,
    DbDriver,
    Driver,
    LocalfsDriver,
    S3Driver,
    StoreConfig,
    SwiftDriver,
)
from schemas.config_file import (
    CatalogSection,
    CredentialsSection,
    DatabaseSection,
    LocalfsSection,
    S3Section,
    StorageDriverSection,
    StoreSection,
    SwiftSection,
)


def working_set(catalog: CatalogSection) -> tuple[str, StoreSection]:
    """Return the section that Anchore takes for the working set, and its key under ``services.catalog``."""
    if catalog.object_store is not None and catalog.object_store.model_fields_set:
        return "object_store", catalog.object_store
    if catalog.archive is not None and catalog.archive.model_fields_set:
        return "archive", catalog.archive
    if catalog.archive_driver is None:
        return "object_store", StoreSection()
    name = "db" if catalog.use_db else catalog.archive_driver
    config = {"archive_data_dir": catalog.archive_data_dir} if name == "localfs" else {}
    driver = StorageDriverSection.model_validate({"name": name, "config": config})
    return "archive_driver", StoreSection(storage_driver=driver)


def own_archive(catalog: CatalogSection) -> StoreSection | None:
    """Return the archive's section, None when it says nothing about a place and so shares the working set's."""
    section = catalog.analysis_archive
    return None if section is None or section.model_fields_set <= {"enabled"} else section


def store(section: StoreSection) -> StoreConfig:
    compression = section.compression
    return StoreConfig(
        driver=_driver(section.storage_driver.name, section.storage_driver.config or {}),
        compression=Compression(
            # Anchore asks whether the value *is* true, so text is off whatever it says.
            enabled=compression.enabled is True,
            min_size_kbytes=compression.min_size_kbytes,
        ),
    )


def database(credentials: CredentialsSection | None) -> DatabaseConfig | None:
    """Return the connection as far as its variables have values; None when the file names none."""
    section = credentials.database if credentials is not None else None
    url = None if section is None else section.db_connect or _url_of_parts(section)
    if section is None or not url:
        return None
    args = section.db_connect_args
    if args is None:
        return DatabaseConfig(db_connect=SecretStr(url))
    return DatabaseConfig(
        db_connect=SecretStr(url),
        timeout=_seconds(args.timeout),
        connect_timeout=_seconds(args.connect_timeout),
        ssl=args.ssl is True,
    )


def _url_of_parts(section: DatabaseSection) -> str | None:
    """Return the URL of a connection that is given part by part, None where the parts are not all there."""
    user, password, host, name = section.user, section.password, section.host, section.name
    if user is None or password is None or host is None or section.port is None or name is None:
        return None
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    server = f"[{host}]" if ":" in host else host
    return f"postgresql://{login}@{server}:{section.port}/{quote(name, safe='')}"


def _driver(name: DriverName, config: dict[str, object]) -> Driver:
    match name:
        case "db":
            return DbDriver()
        case "db2":
            return Db2Driver()
        case "s3":
            return _s3(S3Section.model_validate(config))
        case "localfs":
            directory = LocalfsSection.model_validate(config).archive_data_dir
            # Anchore joins with one slash where there is none.
            return LocalfsDriver(archive_data_dir=directory.removesuffix("/") or directory)
        case "swift":
            return _swift(SwiftSection.model_validate(config))


def _s3(section: S3Section) -> S3Driver:
    # Two keys win over iamauto; keys that are null or empty are none.
    keys = bool(section.access_key and section.secret_key)
    return S3Driver(
        access_key=SecretStr(section.access_key) if keys and section.access_key else None,
        secret_key=SecretStr(section.secret_key) if keys and section.secret_key else None,
        iamauto=not keys,
        url=None if section.url is None else without_user(section.url),
        region=section.region if isinstance(section.region, str) and section.region else None,
        bucket=section.bucket,
        prefix=str(section.prefix),
        create_bucket=bool(section.create_bucket),
    )


def _swift(section: SwiftSection) -> SwiftDriver:
    url = section.auth or section.os_auth_url
    return SwiftDriver(
        auth_url=None if url is None else without_user(url),
        container=section.container,
        prefix=str(section.anchore_key_prefix),
        create_container=bool(section.create_container),
    )


def _seconds(value: float | str | None) -> float | None:
    return value if isinstance(value, float) else None
