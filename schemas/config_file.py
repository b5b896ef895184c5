"""The form of a ``config.yaml`` as far as storage goes: what the published JSON Schema is generated from.

Open models: all other keys are Anchore's. Types say what a file may hold once its references are resolved; the JSON
Schema beside each type also lets an editor see ``${ANCHORE_…}`` there. Descriptions say what to write: editors show
them, and the loader adds them to what is wrong. What a file *means* is ``schemas.config``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from schemas.backend import DriverName

REFERENCE_PATTERN = r"^\$\{ANCHORE"
"""How a scalar begins that a reference stands for as a whole."""
SECRET_SETTINGS = frozenset(
    {"access_key", "secret_key", "key", "os_password", "os_auth_token", "os_application_credential_secret"}
)
"""Driver settings whose reference may stay unset until somebody needs them. No list to redact by: allow, never deny."""

LegacyDriverName = Literal["db", "db2", "localfs"]

# "(?![\s\S])" is the end of the text in every dialect of regular expressions; "$" lets a line break pass in Python's.
_END = r"(?![\s\S])"
_SET = r"\$\{ANCHORE[^{}$]*\}"
_TEXT = r"^[^\u0000-\u001f\u007f]*" + _END
_BUCKET = rf"^(?:[A-Za-z0-9._-]|{_SET})+{_END}"
_HOST = rf"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._-]|{_SET})+)(?::(?:[0-9]{{1,5}}|{_SET}))?"
_HOST_NAME = rf"^(?:(?=[^:]*:[^:]*:)[0-9A-Fa-f:.]+|(?:[A-Za-z0-9._-]|{_SET})+){_END}"
_PORT = rf"^(?:[0-9]{{1,5}}|{_SET}){_END}"
# No @ in the path: it would be what is left of a password, and paths are shown.
_URL = rf"(?:{_SET}[^\s?#@]*|https?://(?:[^/?#\s]*@)?{_HOST}(?:/[^?#\s@]*)?)"


class _OrNull:
    """Lets the section's own ``type`` say null: below an ``anyOf``, errors would not name their own path."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        section: JsonSchemaValue = handler(core)["anyOf"][0]
        return section


_NULLABLE = ConfigDict(json_schema_extra={"type": ["object", "null"]})


def _one_of(names: Any) -> JsonSchemaValue:
    return {"type": "string", "anyOf": [{"enum": list(get_args(names))}, {"pattern": REFERENCE_PATTERN}]}


Switch = Annotated[bool | str | None, WithJsonSchema({"type": ["boolean", "string", "null"]})]
"""Text is allowed because Anchore takes it too, though seldom for what it says."""
Text = Annotated[str | None, WithJsonSchema({"type": ["string", "null"]})]
_DIRECTORY: JsonSchemaValue = {"type": "string", "minLength": 1, "pattern": _TEXT}
Directory = Annotated[str, WithJsonSchema(_DIRECTORY)]
Prefix = Annotated[
    str | int | float | bool | None,
    WithJsonSchema({"type": ["string", "number", "boolean", "null"], "pattern": _TEXT}),
]
Url = Annotated[str | None, WithJsonSchema({"type": "string", "minLength": 1, "pattern": rf"^{_URL}{_END}"})]
UrlOrNone = Annotated[str | None, WithJsonSchema({"type": ["string", "null"], "pattern": rf"^(?:{_URL})?{_END}"})]
Seconds = Annotated[
    float | str | None,
    WithJsonSchema(
        {
            "type": ["number", "string", "null"],
            "exclusiveMinimum": 0,
            "maximum": 31_536_000,
            "pattern": REFERENCE_PATTERN,
        }
    ),
]
Kilobytes = Annotated[int, WithJsonSchema({"type": ["integer", "string"], "minimum": 0, "pattern": REFERENCE_PATTERN})]


class Section(BaseModel):
    """Give a mapping of settings."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True, hide_input_in_errors=True)


_KEY = {"type": "string", "minLength": 1, "description": "Set access_key and secret_key, or iamauto: true."}
_REGION = {
    "type": "string",
    "minLength": 1,
    "description": "Set url (an endpoint) or region (AWS): Anchore does not start without.",
}
_TRUE = {"anyOf": [{"const": True}, {"type": "string", "minLength": 1}]}
_KEYS_OR_IAMAUTO: JsonSchemaValue = {
    "if": {"not": {"required": ["iamauto"], "properties": {"iamauto": _TRUE}}},
    "then": {
        "required": ["access_key", "secret_key"],
        "properties": {"access_key": _KEY, "secret_key": _KEY},
    },
}
_URL_OR_REGION: JsonSchemaValue = {
    "if": {"not": {"required": ["url"]}},
    "then": {"required": ["region"], "properties": {"region": _REGION}},
}


class S3Section(Section):
    """Give the settings of driver s3."""

    model_config = ConfigDict(json_schema_extra={"allOf": [_KEYS_OR_IAMAUTO, _URL_OR_REGION]})

    access_key: Text = None
    """Write it as text, in quotes if it looks like a number; best as ${ANCHORE_…}."""
    secret_key: Text = None
    """Write it as text, in quotes if it looks like a number; best as ${ANCHORE_…}."""
    iamauto: Switch = None
    """Set true to use the ambient AWS chain instead of the two keys."""
    url: Url = None
    """Write the endpoint as http://host:9000; leave the key out to use region: Anchore does not start with it empty."""
    region: Annotated[str | bool | None, WithJsonSchema({"type": ["string", "boolean", "null"]})] = None
    """Name the AWS region; it is ignored where url is set."""
    bucket: Annotated[str, WithJsonSchema({"type": "string", "minLength": 1, "pattern": _BUCKET})]
    """Name the S3 bucket with letters, digits, dots, dashes and underscores."""
    prefix: Prefix = ""
    """Write what begins each key, without line breaks; no slash is added."""
    create_bucket: Switch = None
    """Set true to have a missing bucket created."""


class LocalfsSection(Section):
    """Give the settings of driver localfs."""

    archive_data_dir: Directory
    """Name the directory that holds the documents."""


class SwiftSection(Section):
    """Give the settings of driver swift; all but these are options of the Swift client."""

    container: Directory
    """Name the Swift container."""
    anchore_key_prefix: Prefix = ""
    """Write what begins each key, without line breaks; no slash is added."""
    create_container: Switch = None
    """Set true to have a missing container created."""
    auth: UrlOrNone = None
    """Write the authentication URL for version 1."""
    os_auth_url: UrlOrNone = None
    """Write the authentication URL."""


_DRIVER_SECTIONS: dict[str, type[Section]] = {"s3": S3Section, "localfs": LocalfsSection, "swift": SwiftSection}


# One condition for each name: with a oneOf, an error would say only that no driver fits.
_PER_DRIVER: list[Any] = [
    {
        "if": {"required": ["name"], "properties": {"name": {"const": name}}},
        "then": {"required": ["config"], "properties": {"config": section.model_json_schema()}},
    }
    for name, section in _DRIVER_SECTIONS.items()
]


class StorageDriverSection(Section):
    """Give the driver's name and config."""

    model_config = ConfigDict(json_schema_extra={"allOf": _PER_DRIVER})

    name: Annotated[DriverName, WithJsonSchema(_one_of(DriverName))] = "db"
    """Name one of Anchore's drivers."""
    config: Annotated[dict[str, Any] | None, WithJsonSchema({"type": ["object", "null"]})] = None
    """Give the settings of the driver."""


class CompressionSection(Section):
    """Give enabled and min_size_kbytes, or leave the key out."""

    enabled: Switch = False
    """Set true or false, without quotes: Anchore takes anything but a bare true for false."""
    min_size_kbytes: Kilobytes = 100
    """Give a whole number of kilobytes; payloads above it are compressed."""


class StoreSection(Section):
    """Give compression and storage_driver; what is left out takes Anchore's default."""

    model_config = _NULLABLE

    compression: CompressionSection = CompressionSection()
    storage_driver: StorageDriverSection = StorageDriverSection()


_FILLED = {"type": "object", "minProperties": 1}
_NO_SECTION: JsonSchemaValue = {
    "not": {"anyOf": [{"required": [key], "properties": {key: _FILLED}} for key in ("object_store", "archive")]}
}
_LEGACY: JsonSchemaValue = {
    "if": _NO_SECTION,
    "then": {
        "properties": {
            "archive_driver": {
                **_one_of(LegacyDriverName),
                "description": "Use db, db2 or localfs, or write the section object_store.",
            },
            "storage_driver": {"type": "null", "description": "Move it into the section object_store."},
        },
    },
}
_LEGACY_LOCALFS: JsonSchemaValue = {
    "if": {
        "allOf": [
            _NO_SECTION,
            {
                "required": ["archive_driver"],
                "properties": {"archive_driver": {"const": "localfs"}, "use_db": {"enum": [False, None]}},
            },
        ]
    },
    "then": {
        "required": ["archive_data_dir"],
        "properties": {
            "archive_data_dir": {**_DIRECTORY, "description": "Name the directory that holds the documents."}
        },
    },
}


class CatalogSection(Section):
    """Give the settings of the catalog service."""

    model_config = ConfigDict(json_schema_extra={"allOf": [_LEGACY, _LEGACY_LOCALFS]})

    object_store: Annotated[StoreSection | None, _OrNull()] = None
    """The working set."""
    archive: Annotated[StoreSection | None, _OrNull()] = None
    """The working set in older files; Anchore looks at it only where object_store is absent or empty."""
    analysis_archive: Annotated[StoreSection | None, _OrNull()] = None
    """The analysis archive; absent, null or empty it shares the working set's place."""
    archive_driver: Text = None
    """Name the driver; the form of very old files, in use only where both sections are absent or empty."""
    use_db: Switch = None
    """Set true for driver db, whatever archive_driver says."""
    archive_data_dir: Text = None
    """Name the directory that holds the documents."""


class ServicesSection(Section):
    """Give the services of this node; the storage sections stand under catalog."""

    catalog: CatalogSection
    """Name a config.yaml that has the section services.catalog."""


class ConnectArgsSection(Section):
    """Give the arguments of the database connection."""

    model_config = _NULLABLE

    timeout: Seconds = None
    """Give a number of seconds above 0."""
    connect_timeout: Seconds = None
    """Give a number of seconds above 0."""
    ssl: Annotated[
        bool | str | None, WithJsonSchema({"type": ["boolean", "string", "null"], "pattern": REFERENCE_PATTERN})
    ] = None
    """Set true or false, without quotes."""


DATABASE_PARTS = ("user", "password", "host", "port", "name")
_PART_FORMS: dict[str, Any] = {
    "user": {"type": ["string"], "minLength": 1, "pattern": _TEXT, "description": "Name the database's user, as text."},
    "password": {
        # A server that trusts its clients asks for none.
        "type": ["string"],
        "description": "Write it as text, in quotes if it looks like a number; best as ${ANCHORE_…}.",
    },
    "host": {
        "type": ["string"],
        "minLength": 1,
        "pattern": _HOST_NAME,
        "description": "Name the server, without port.",
    },
    "port": {
        "type": ["integer", "string"],
        "minimum": 1,
        "maximum": 65_535,
        "pattern": _PORT,
        "description": "Give the number of the port.",
    },
    "name": {"type": ["string"], "minLength": 1, "pattern": _TEXT, "description": "Name the database."},
}
_ALL_PARTS: JsonSchemaValue = {
    "if": {
        "not": {"required": ["db_connect"], "properties": {"db_connect": {"type": "string", "minLength": 1}}},
        "anyOf": [{"required": [part]} for part in DATABASE_PARTS],
    },
    "then": {"required": list(DATABASE_PARTS), "properties": _PART_FORMS},
}


def _part(name: str) -> WithJsonSchema:
    """Return what holds of a part even where ``db_connect`` is set, which wins."""
    form = _PART_FORMS[name]
    return WithJsonSchema({"type": [*form["type"], "null"], "description": form["description"]})


class DatabaseSection(Section):
    """Give the connection to Anchore's database."""

    model_config = ConfigDict(json_schema_extra={"type": ["object", "null"], "allOf": [_ALL_PARTS]})

    db_connect: Text = None
    """Write it as postgresql://user:password@host:5432/name; it wins over user, password, host, port and name."""
    user: Annotated[str | None, _part("user")] = None
    password: Annotated[str | None, _part("password")] = None
    host: Annotated[str | None, _part("host")] = None
    port: Annotated[int | str | None, _part("port")] = None
    name: Annotated[str | None, _part("name")] = None
    db_connect_args: Annotated[ConnectArgsSection | None, _OrNull()] = None


class CredentialsSection(Section):
    """Give the credentials; the database stands under database."""

    model_config = _NULLABLE

    database: Annotated[DatabaseSection | None, _OrNull()] = None


class ConfigFile(Section):
    """Give a config.yaml of Anchore's."""

    services: ServicesSection
    """Name a config.yaml with the section services.catalog, or values of the Helm chart with anchoreConfig."""
    credentials: Annotated[CredentialsSection | None, _OrNull()] = None
