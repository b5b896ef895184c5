"""Data against the published JSON Schema, each error as a mistake in plain English. Values are never shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from planner.mistakes import KeyPath, Mistake
from schemas.config_file import REFERENCE_PATTERN
from schemas.publish import load_schema

if TYPE_CHECKING:
    from jsonschema import ValidationError

_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "empty",
}
_WRONG = {
    "minLength": "is empty",
    "minimum": "must be at least {}",
    "exclusiveMinimum": "must be more than {}",
    "maximum": "must be at most {}",
    "pattern": "is not of the right form",
}


def schema_mistakes(data: object, line_of: Callable[[KeyPath], int]) -> list[Mistake]:
    """Return everything in which ``data`` departs from the form of a config.yaml, one mistake for a path."""
    # Imported here: it costs a tenth of a second, and most commands load no config.
    from jsonschema import Draft202012Validator

    errors = Draft202012Validator(load_schema("config")).iter_errors(data)
    found: dict[KeyPath, Mistake] = {}
    # What is said of a setting by itself comes before what follows from other settings.
    for error in sorted(errors, key=lambda error: len(error.absolute_schema_path)):
        here = tuple(str(key) for key in error.absolute_path)
        for path, what in _explained(error, here):
            found.setdefault(path, Mistake(line=line_of(path), path=path, what=what))
    return list(found.values())


def _explained(error: ValidationError, here: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    schema: Any = error.schema
    instance: Any = error.instance
    if error.validator == "required":
        for name in schema["required"]:
            if name not in instance:
                yield (*here, name), _with_advice("is missing", schema.get("properties", {}).get(name, {}))
    else:
        yield here, _with_advice(_wrong(str(error.validator), schema, instance), schema)


def _wrong(keyword: str, schema: Mapping[str, Any], found: object) -> str:
    if keyword == "type" or (schema.get("pattern") == REFERENCE_PATTERN and keyword == "pattern"):
        return _wrong_type(schema, found)
    if keyword == "anyOf":
        return f"is none of {', '.join(schema['anyOf'][0]['enum'])}"
    return _WRONG[keyword].format(schema[keyword])


def _wrong_type(schema: Mapping[str, Any], found: object) -> str:
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if schema.get("pattern") == REFERENCE_PATTERN:
        types = [name for name in types if name != "string"]
    wanted = [_TYPES[name] for name in types if name != "null" or len(types) == 1]
    return f"must be {' or '.join(wanted)}, not {kind(found)}"


def kind(value: object) -> str:
    """Return what ``value`` is, as messages say it."""
    match value:
        case None:
            return "empty"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "a mapping"


def _with_advice(what: str, schema: Mapping[str, Any]) -> str:
    """Add the schema's description, which says what to write."""
    advice = str(schema.get("description", ""))
    return f"{what}; {advice[0].lower()}{advice[1:].rstrip('.')}" if advice else what
