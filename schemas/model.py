"""The one base of all contract models."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Frozen, and closed: a key that the contract does not know is a mistake, not an extension."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        validate_by_name=True,
        validate_by_alias=True,
        # Built on first use: a command needs few of the models that it imports.
        defer_build=True,
    )
