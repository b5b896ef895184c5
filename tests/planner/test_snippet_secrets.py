"""Nothing secret is in a snippet, whatever the sections hold and wherever they hold it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from executor.snippet import snippet_text
from planner.redaction import redact
from planner.snippet import SnippetForm, redacted_snippet
from schemas.config import FileForm
from tests.planner.storage_configs import config

CANARY = "CANARY"
HARMLESS = (
    "enabled",
    "verify_content_digests",
    "compression.enabled",
    "compression.min_size_kbytes",
    "storage_driver.name",
    *(
        f"storage_driver.config.{name}"
        for name in (
            *("region", "bucket", "prefix", "create_bucket", "iamauto", "archive_data_dir", "container"),
            *("anchore_key_prefix", "create_container", "auth_version"),
            *("existingCredentialSecret", "accessKeySecretKey", "secretKeySecretKey"),
        )
    ),
)
"""What every reader of a plan may know. A canary there would be found, and is not planted."""
ALONE = ("archive_driver", "use_db", "archive_data_dir")
BRANCHES = ("compression", "storage_driver", "config")
NAMES = (
    *sorted({path.rpartition(".")[2] for path in HARMLESS}),
    *("access_key", "secret_key", "key", "user", "auth", "url", "os_auth_url", "os_password", "os_username"),
    *("session_token", "object_store", "a b", "ünïcode", "-", "#", "${ANCHORE_NAME}"),
    # What YAML makes of {os_password:S3cret}.
    f"os_password:{CANARY}",
)
SECRETS = st.sampled_from(
    [
        CANARY,
        f"{CANARY}\n# {CANARY}: {CANARY}",
        f"${{ANCHORE_KEY}}{CANARY}",
        f"${{ANCHORE_KEY}}:{CANARY}",
        f"${{ANCHORE_KEY:-{CANARY}}}",
        f"http://user:{CANARY}@minio:9000",
        f"http://us@er:{CANARY}@minio:9000/path",
        f"http://minio:9000/path@{CANARY}@",
        f"http://minio:9000?token={CANARY}",
        f"http://minio:9000#{CANARY}",
        f"${{ANCHORE_SCHEME}}user:{CANARY}@minio",
        f"user:{CANARY}@minio",
        f"ftp://{CANARY}",
        [CANARY],
        {CANARY: CANARY},
        {"bucket": CANARY, "name": [CANARY]},
        [{"url": CANARY}],
    ]
)
PLAIN: st.SearchStrategy[Any] = st.sampled_from(
    [None, "", "plain", "${ANCHORE_PLAIN}", True, False, 0, 100, 1.5, {}, []]
)
LEAVES = SECRETS | PLAIN


def trees(depth: int) -> st.SearchStrategy[Any]:
    """Mappings of all names that mean something in one place or another."""
    names, branches = st.sampled_from(NAMES), st.sampled_from(BRANCHES)
    if depth == 0:
        return st.dictionaries(names, LEAVES, max_size=4)
    deeper = trees(depth - 1)
    return st.builds(
        lambda leaves, below: {**leaves, **below},
        st.dictionaries(names, LEAVES, max_size=4),
        st.dictionaries(branches, deeper | LEAVES, max_size=3),
    )


DRIVERS = st.dictionaries(st.sampled_from(NAMES), LEAVES, max_size=12)
STORES = trees(2) | LEAVES | DRIVERS.map(lambda settings: {"storage_driver": {"config": settings}})
SECTIONS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("object_store", "archive", "analysis_archive"), STORES),
        **dict.fromkeys(ALONE, LEAVES),
    },
)


def without_what_may_be_known(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Replace what stands in a harmless place."""

    def cleaned(path: tuple[str, ...], value: Any) -> Any:
        where = ".".join(path)
        if isinstance(value, dict) and where in ("", "compression", "storage_driver", "storage_driver.config"):
            return {name: cleaned((*path, name), inner) for name, inner in value.items()}
        return "harmless" if where in HARMLESS and isinstance(value, str) else value

    return {
        key: "harmless" if key in ALONE and isinstance(value, str) else cleaned((), value)
        for key, value in sections.items()
    }


@settings(max_examples=300, deadline=None)
@given(
    SECTIONS,
    st.sampled_from(["config", "helm", "helm-job"]),
    st.sampled_from(["config", "helm"]),
)
@example({"object_store": {"storage_driver": {"config": {"existingCredentialSecret": {CANARY: 1}}}}}, "helm", "config")
@example({"object_store": {"storage_driver": {"config": {"existingCredentialSecret": [CANARY]}}}}, "helm", "config")
@example({"archive_driver": "localfs", "archive_data_dir": [CANARY]}, "config", "config")
@example({"object_store": {"storage_driver": {"config": {"access_key": [CANARY], "secret_key": 1}}}}, "config", "helm")
def test_no_secret_is_in_any_snippet(sections: dict[str, Any], form: FileForm, wanted: SnippetForm) -> None:
    given_ = {"path": "dest.yaml", "form": form, "section": without_what_may_be_known(sections)}
    made = redacted_snippet(config().model_copy(update=given_), wanted)
    assert CANARY not in str(made.section)
    assert CANARY not in repr(made)
    assert CANARY not in snippet_text(made)


def shown(setting: str, value: object) -> object:
    """Return what is shown of a setting of the driver."""
    section, _ = redact({"object_store": {"storage_driver": {"config": {setting: value}}}}, "dest.yaml", ())
    return section["object_store"]["storage_driver"]["config"][setting]


PLACEHOLDER = "<set in dest.yaml>"


def test_a_name_unlike_any_of_anchore_s_is_not_shown() -> None:
    config = {"os_password:S3cret": None, "a-b": 1}
    section, replaced = redact({"object_store": {"storage_driver": {"config": config}}}, "dest.yaml", ())
    assert list(section["object_store"]["storage_driver"]["config"]) == ["…"]
    assert "S3cret" not in repr(replaced)


@pytest.mark.parametrize(
    ("setting", "value", "seen"),
    [
        ("bucket", "b", "b"),
        ("create_bucket", True, True),
        ("bucket", ["b"], PLACEHOLDER),
        ("url", "http://user:secret@minio:9000", "http://minio:9000"),
        ("url", "http://user:p@ss@minio:9000/path", "http://minio:9000/path"),
        ("url", "http://${ANCHORE_USER}:secret@${ANCHORE_HOST}", "http://${ANCHORE_HOST}"),
        ("url", "${ANCHORE_URL}", "${ANCHORE_URL}"),
        ("url", "${ANCHORE_URL}:9000/path", "${ANCHORE_URL}:9000/path"),
        ("url", "${ANCHORE_SCHEME}://minio", "${ANCHORE_SCHEME}://minio"),
        ("url", "${ANCHORE_USER}secret", PLACEHOLDER),
        ("url", "${ANCHORE_USER}:secret", PLACEHOLDER),
        ("url", "${ANCHORE_SCHEME}user:secret@minio", PLACEHOLDER),
        ("auth", "https://swift/auth/v1.0", "https://swift/auth/v1.0"),
        ("auth", "secret", PLACEHOLDER),
        ("os_auth_url", "https://swift/v3?token=secret", PLACEHOLDER),
        ("secret_key", "secret", "${ANCHORE_OBJECT_STORE_SECRET_KEY}"),
        ("secret_key", "${ANCHORE_SECRET}", "${ANCHORE_SECRET}"),
        ("secret_key", "${ANCHORE_A}${ANCHORE_B}", "${ANCHORE_A}${ANCHORE_B}"),
        ("secret_key", "${ANCHORE_A}secret", "${ANCHORE_OBJECT_STORE_SECRET_KEY}"),
        ("os_application_credential_secret", 5, "${ANCHORE_OBJECT_STORE_OS_APPLICATION_CREDENTIAL_SECRET}"),
        # Nothing set is no secret, and something else in its place would count as set.
        ("secret_key", None, None),
        ("secret_key", "", ""),
        ("session_token", "secret", PLACEHOLDER),
        ("session_token", "${ANCHORE_TOKEN}", "${ANCHORE_TOKEN}"),
        ("os_cacert", None, None),
        ("port", 5, PLACEHOLDER),
        ("insecure", False, PLACEHOLDER),
        ("name", "secret", PLACEHOLDER),
    ],
)
def test_what_is_shown_of_a_setting(setting: str, value: object, seen: object) -> None:
    assert shown(setting, value) == seen
