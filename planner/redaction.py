"""Storage sections without their secrets. Pure.

An allow-list of whole paths decides: what is on it stays, a known secret gives way to a variable of its own, any other
setting to a placeholder that names the file. The file's own ``${ANCHORE_…}`` stay wherever they stand. Names of
settings are shown, if they are like Anchore's; below a setting that is not known, nothing is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from planner.mistakes import KeyPath, dotted
from planner.references import left_over
from schemas.config_file import SECRET_SETTINGS

KUBERNETES_SETTINGS = ("existingCredentialSecret", "accessKeySecretKey", "secretKeySecretKey")
"""In values of the Helm chart: the names of a Kubernetes secret and of the two keys in it."""
EXISTING_SECRET = KUBERNETES_SETTINGS[0]
KEYS = ("access_key", "secret_key")
"""What the chart makes of that secret."""

_CONFIG = "storage_driver.config"
_BRANCHES = frozenset({"", "compression", "storage_driver", _CONFIG})
_URLS = frozenset(f"{_CONFIG}.{name}" for name in ("url", "auth", "os_auth_url"))
_SECRETS = frozenset(f"{_CONFIG}.{name}" for name in SECRET_SETTINGS)
_SHOWN = frozenset(
    {
        "enabled", "verify_content_digests", "compression.enabled", "compression.min_size_kbytes",
        "storage_driver.name",
        *(f"{_CONFIG}.{name}" for name in (
            "region", "bucket", "prefix", "create_bucket", "iamauto", "archive_data_dir",
            "container", "anchore_key_prefix", "create_container", "auth_version", *KUBERNETES_SETTINGS,
        )),
    }
)  # fmt: skip
_SHOWN_ALONE = frozenset({"archive_driver", "use_db", "archive_data_dir"})
"""Of very old files, where they stand in no section."""
_REFERENCE = r"\$\{ANCHORE[A-Za-z0-9_.-]*\}"
_ONLY_REFERENCES = re.compile(rf"(?:{_REFERENCE})+")
_USER_PART = re.compile(r"(?<=://)[^/]*@")
_PLAIN_URL = re.compile(
    rf"https?://[^@?#\s]* | (?:{_REFERENCE})+ (?: ://[^@?#\s]* | (?: :[0-9]+ )? (?: /[^@?#\s]* )? )", re.VERBOSE
)


@dataclass(frozen=True, slots=True)
class Replaced:
    """A setting whose value is not shown."""

    path: KeyPath
    """Begins with the key of its section."""
    variable: str | None
    """Stands in for it; None: the placeholder does."""


def redact(
    sections: Mapping[str, object], file: str, taken: Collection[str]
) -> tuple[dict[str, Any], tuple[Replaced, ...]]:
    """Return ``sections`` without anything secret, keys in their order, and what was replaced.

    ``file`` is the name that placeholders give. No variable of ``taken`` stands in for a secret.
    """
    redaction = _Redaction(file, taken)
    shown = {key: redaction.value((key,), value) for key, value in sections.items()}
    return shown, tuple(redaction.replaced)


def only_references(value: object) -> bool:
    """Whether ``value`` is ``${ANCHORE_…}`` and nothing else, so that it holds no secret itself."""
    return isinstance(value, str) and _ONLY_REFERENCES.fullmatch(value) is not None


def names_in(value: object) -> tuple[str, ...]:
    """Return the variables that the texts in ``value`` refer to, in order, each once."""
    return tuple(dict.fromkeys(name for text in _texts(value) for name in left_over(text)))


def without_user(url: str) -> str:
    """Return ``url`` less what stands between ``://`` and ``@``, password and all."""
    return _USER_PART.sub("", url, count=1)


def variable_of(section: str, setting: str) -> str:
    """Return the variable for a secret, named as the Helm chart names it: ``ANCHORE_OBJECT_STORE_ACCESS_KEY``."""
    store = "ANALYSIS_ARCHIVE" if section == "analysis_archive" else "OBJECT_STORE"
    return f"ANCHORE_{store}_{setting.upper()}"


class _Redaction:
    """One pass over the sections: collects what is replaced as it goes."""

    def __init__(self, file: str, taken: Collection[str]) -> None:
        self.replaced: list[Replaced] = []
        self._placeholder = f"<set in {file}>"
        self._taken = taken

    def value(self, path: KeyPath, value: object) -> Any:
        setting = ".".join(path[1:])
        if isinstance(value, Mapping) and setting in _BRANCHES:
            # {os_password:S3cret} without a space is a name, all of it.
            named = ((dotted((str(name),)), inner) for name, inner in value.items())
            return {name: self.value((*path, name), inner) for name, inner in named}
        if value is None or value in ("", {}, []) or only_references(value):
            return value
        plain = isinstance(value, str | bool | int | float)
        if plain and (setting in _SHOWN or (len(path) == 1 and path[0] in _SHOWN_ALONE)):
            return value
        if isinstance(value, str) and setting in _URLS:
            url = without_user(value)
            if _PLAIN_URL.fullmatch(url):
                return url
        return self._replace(path, secret=setting in _SECRETS)

    def _replace(self, path: KeyPath, *, secret: bool) -> str:
        variable = self._free(variable_of(path[0], path[-1])) if secret else None
        self.replaced.append(Replaced(path, variable))
        return self._placeholder if variable is None else f"${{{variable}}}"

    def _free(self, name: str) -> str:
        # A variable that the file refers to elsewhere has a value already, and it may be another.
        number, free = 1, name
        while free in self._taken:
            number += 1
            free = f"{name}_{number}"
        return free


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for item in value.values():
                yield from _texts(item)
        case list():
            for item in value:
                yield from _texts(item)
