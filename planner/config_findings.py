"""What the two config files give a reviewer reason to look at. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, assert_never

from planner.diff import ELSEWHERE_LIMIT
from planner.elsewhere import MISSING, Difference, elsewhere, relation
from planner.findings import in_order
from planner.mistakes import dotted
from planner.redaction import KUBERNETES_SETTINGS, variable_of
from planner.references import left_over
from planner.settings import PACKAGE_DB, switch
from planner.tree import at
from schemas.config import Oddity, OddityCode, StorageConfig
from schemas.errors import ConfigError
from schemas.plan import DatabaseName, Finding, Severity
from stores.database_url import parse_url

_EXAMPLES = 5


def config_findings(source: StorageConfig, destination: StorageConfig) -> tuple[Finding, ...]:
    """Return what the two config files give reason to say.

    What is odd in both files at the same setting is told once, of the destination. What is odd in the source alone is
    information, for that file goes away; but for a directory that keeps restow from reading the documents.
    """
    names = _names(source, destination)
    told = {(oddity.code, oddity.path) for oddity in destination.oddities}
    left = [oddity for oddity in source.oddities if (oddity.code, oddity.path) not in told]
    return in_order(
        [
            *_unset(source, names[0]),
            *_unset(destination, names[1]),
            *_oddities(left, names[0], _severity_at_source),
            *_oddities(destination.oddities, names[1], _severity),
            *_elsewhere(source, destination, names),
            *_package_db(source, destination, names),
            *_database(source, destination, names),
            *_secrets(source, destination, names),
        ]
    )


def named_database(config: StorageConfig) -> DatabaseName | None:
    """Return which database a config names, without credentials; None when it names none, or not to the full."""
    if config.database is None:
        return None
    try:
        found = parse_url(config.database.db_connect).name
    except ConfigError:
        # A URL that cannot be read is told to whoever connects by it; a plan may be made with --db-connect.
        return None
    # Whether the user's and the password's variables have values does not matter: a plan names neither.
    return None if left_over(found.host + found.name) else found


def _names(source: StorageConfig, destination: StorageConfig) -> tuple[str, str]:
    """Return how to call the two files: without their folders, which differ from machine to machine."""
    old, new = Path(source.path).name, Path(destination.path).name
    return (old, new) if old != new else (f"{old} (source)", f"{new} (destination)")


def _unset(config: StorageConfig, name: str) -> Iterator[Finding]:
    unset = sorted({variable for reference in config.references for variable in reference.unset})
    if unset:
        message = f"{name} refers to variables that have no value here; apply needs them"
        yield _finding("variable-unset", "info", message, unset)


def _oddities(
    oddities: Iterable[Oddity], name: str, severity_of: Callable[[OddityCode], Severity]
) -> Iterator[Finding]:
    """Yield one finding for all settings of a file of which the same is to be said, such as the URLs of both stores."""
    alike: dict[tuple[OddityCode, str], list[Oddity]] = {}
    for oddity in oddities:
        setting = ".".join(oddity.path.split(".")[-2 if oddity.path.endswith(".enabled") else -1 :])
        alike.setdefault((oddity.code, f"{setting} {oddity.what}"), []).append(oddity)
    for (code, what), found in alike.items():
        lines = ", ".join(str(line) for line in sorted({oddity.line for oddity in found}))
        message = f"{name} line {lines}: {what}"
        yield _finding(code, severity_of(code), message, [oddity.path for oddity in found])


def _severity(code: OddityCode) -> Severity:
    match code:
        case (
            "switch-as-text"
            | "prefix-null"
            | "keys-and-iamauto"
            | "http-endpoint"
            | "bucket-in-url"
            | "stores-in-one-place"
            | "archive-section-unused"
            | "directory-not-absolute"
            | "layer-cache-size"
        ):
            return "warning"
        case (
            "create-bucket"
            | "archive-compressed"
            | "compression-without-effect"
            | "compression-left-to-chart"
            | "layer-cache-off"
            | "package-db-off"
        ):
            return "info"
        case _:
            assert_never(code)


def _severity_at_source(code: OddityCode) -> Severity:
    return _severity(code) if code == "directory-not-absolute" else "info"


def _elsewhere(source: StorageConfig, destination: StorageConfig, names: tuple[str, str]) -> Iterator[Finding]:
    old, new = names
    match relation(source, destination):
        case "same file":
            return
        case "other form":
            message = (
                f"{old} and {new} are not of one form (config.yaml, or values of the Helm chart), so only their "
                "storage settings are compared; compare the others by eye"
            )
            yield _finding("forms-differ", "info", message, count=1)
        case "fragment":
            message = (
                f"{new} holds nothing but storage settings: put its section into {old} rather than {new} in place of "
                f"{old}, or all other settings are lost"
            )
            yield _finding("config-fragment", "info", message, count=1)
        case "compared":
            if found := elsewhere(source, destination):
                yield _differing(found, names)
        case other:
            assert_never(other)


def _differing(found: Sequence[Difference], names: tuple[str, str]) -> Finding:
    old, new = names
    gone, added = (sum(one.after is MISSING for one in found), sum(one.before is MISSING for one in found))
    sides = [f"{count:,} only in {name}" for count, name in ((gone, old), (added, new)) if count]
    message = f"{new} takes the place of {old}, and settings outside storage change with it"
    message += f" ({', '.join(sides)})" if sides else ""
    message += "; make the files agree where that is not meant"
    if len(found) > ELSEWHERE_LIMIT:
        message += f"; the config changes list the first {ELSEWHERE_LIMIT} of them"
    paths = [dotted(one.path) for one in found]
    return _finding("config-differs-elsewhere", "warning", message, paths)


def _package_db(source: StorageConfig, destination: StorageConfig, names: tuple[str, str]) -> Iterator[Finding]:
    if relation(source, destination) != "compared":
        return
    old, new = (_package_db_loaded(config) for config in (source, destination))
    if old is not None and new is not None and old != new:
        message = (
            f"enable_package_db_load is {old} in {names[0]} and {new} in {names[1]}, and all policy "
            "engines of a deployment must have the same; change it for all of them at once, or for none"
        )
        yield _finding("package-db-differs", "warning", message, [".".join(PACKAGE_DB)])


def _package_db_loaded(config: StorageConfig) -> Literal["true", "false"] | None:
    """Return what the policy engines of this file do; None where it does not say so, or only by a variable."""
    said = switch(at(config.rest, PACKAGE_DB))
    if said is False or any(oddity.code == "package-db-off" for oddity in config.oddities):
        return "false"
    return "true" if said else None


def _database(source: StorageConfig, destination: StorageConfig, names: tuple[str, str]) -> Iterator[Finding]:
    old, new = named_database(source), named_database(destination)
    if old is not None and new is not None and old != new:
        message = (
            f"{names[1]} names another database ({_place(new)}) than {names[0]} ({_place(old)}), whose documents "
            "restow moves: Anchore would not find them; let both files name the same"
        )
        yield _finding("database-differs", "warning", message, ["credentials.database"])


def _secrets(source: StorageConfig, destination: StorageConfig, names: tuple[str, str]) -> Iterator[Finding]:
    """The chart has one pair of variables for a store, whichever Kubernetes secret fills them."""
    for store in ("object_store", "analysis_archive"):
        old, new = (_kubernetes_secret(config, store) for config in (source, destination))
        if old is not None and new is not None and old != new:
            variables = [variable_of(store, key) for key in ("access_key", "secret_key")]
            message = (
                f"{names[0]} and {names[1]} take the keys of {store} from different Kubernetes secrets, but from the "
                "same variables, so both sides would get the same keys; in a copy of the source's values write "
                "access_key and secret_key as ${ANCHORE_…} of their own, and plan with that"
            )
            yield _finding("one-variable-for-two-secrets", "warning", message, variables)


def _kubernetes_secret(config: StorageConfig, store: str) -> tuple[object, ...] | None:
    named = tuple(at(config.section, (store, "storage_driver", "config", key)) for key in KUBERNETES_SETTINGS)
    return named if config.form != "config" and named[0] else None


def _place(database: DatabaseName) -> str:
    return f"{database.name} at {database.host}:{database.port}"


def _finding(
    code: str, severity: Severity, message: str, examples: Sequence[str] = (), count: int | None = None
) -> Finding:
    found = len(examples) if count is None else count
    return Finding(code=code, severity=severity, message=message, count=found, examples=tuple(examples[:_EXAMPLES]))
