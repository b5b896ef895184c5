"""The JSON Schemas that others read: generated from the models, kept in schemas/json/, shipped with the package.

``python -m schemas.publish`` writes them anew.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from schemas.canonical import file_text
from schemas.config_file import ConfigFile
from schemas.plan import Plan
from schemas.report import Report

MODELS: dict[str, tuple[type[BaseModel], JsonSchemaMode]] = {
    "config": (ConfigFile, "validation"),
    "plan": (Plan, "serialization"),
    "report": (Report, "serialization"),
}
"""What is published under which name: as a reader may be given it, or as we write it (then nothing is optional)."""


def schema_text(name: str) -> str:
    """Return the schema ``name`` of ``MODELS`` as its file must read."""
    model, mode = MODELS[name]
    generated = _lean(model.model_json_schema(mode=mode))
    return file_text({"$schema": GenerateJsonSchema.schema_dialect, **generated})


def load_schema(name: str) -> dict[str, Any]:
    """Return the published schema ``name``, parsed."""
    text = files("schemas").joinpath("json", f"{name}.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _lean(schema: Any) -> Any:
    """Drop the titles, which repeat each key, and ``default: null``, which only means absent."""
    match schema:
        case dict():
            return {
                key: _lean(value)
                for key, value in schema.items()
                if (key, value) != ("default", None) and not (key == "title" and isinstance(value, str))
            }
        case list():
            return [_lean(value) for value in schema]
        case _:
            return schema


def main() -> None:
    folder = Path(__file__).parent / "json"
    folder.mkdir(exist_ok=True)
    for name in MODELS:
        (folder / f"{name}.schema.json").write_text(schema_text(name), encoding="utf-8")


if __name__ == "__main__":
    main()
