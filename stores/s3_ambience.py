"""What of the environment counts for Anchore's boto3, and so for both clients: region, CA bundle, credential chain."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from botocore.session import Session

# https://boto3.amazonaws.com/v1/documentation/api/latest/guide/configuration.html
VARIABLES = {"region": "AWS_DEFAULT_REGION", "ca_bundle": "AWS_CA_BUNDLE"}
PROFILES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")
FILES = {"AWS_CONFIG_FILE": "~/.aws/config", "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials"}


class Ambience:
    """The environment of this process as botocore reads it, which is loaded only when there is something to read."""

    @cached_property
    def session(self) -> Session:
        import botocore.session

        return botocore.session.Session()

    def setting(self, name: Literal["region", "ca_bundle"]) -> str | None:
        """Return a setting of the environment or the profile. Raises botocore's errors, for a profile that is none."""
        if _has_profiles():
            found: str | None = self.session.get_config_variable(name)
            return found
        return os.environ.get(VARIABLES[name])


def _has_profiles() -> bool:
    files = (Path(os.environ.get(name, default)).expanduser() for name, default in FILES.items())
    return any(name in os.environ for name in PROFILES) or any(path.exists() for path in files)
