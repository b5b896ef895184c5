"""What else differs between two config files, and what of it a plan may show."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.config_findings import config_findings
from planner.diff import config_changes
from planner.disclosure import SHOWN
from planner.elsewhere import elsewhere, relation
from schemas.config import FileForm, StorageConfig
from tests.planner.storage_configs import config

Rest = dict[str, Any]

CANARY = "canary"
PIN = 271828182
HIDDEN_TEXTS = (
    CANARY,
    f"https://{CANARY}:{CANARY}@host/{CANARY}?token={CANARY}",
    f"${{ANCHORE_USER}}:{CANARY}",
    f"${{ANCHORE_USER:-{CANARY}}}",
    f"${{{CANARY}}}",
)


def file(rest: Rest, *, path: str = "config.yaml", form: FileForm = "config") -> StorageConfig:
    return config().model_copy(update={"rest": rest, "path": path, "form": form})


def pair(before: Rest, after: Rest) -> tuple[StorageConfig, StorageConfig]:
    """Two files that differ outside storage, or not; each has one setting more, lest it is a fragment."""
    return file({**before, "one_more": 1}), file({**after, "one_more": 1}, path="dest-config.yaml")


def told(before: Rest, after: Rest) -> list[tuple[str, object, object]]:
    """Return (path, before, after) of each difference, or ``(path, "changed", "changed")``."""
    found = [one.change for one in elsewhere(*pair(before, after))]
    assert all(one.before is None and one.after is None for one in found if one.changed)
    return [(one.path, *(("changed",) * 2 if one.changed else (one.before, one.after))) for one in found]


def hidden(path: str) -> list[tuple[str, object, object]]:
    return [(path, "changed", "changed")]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {}, []),
        ({"services": {"analyzer": {"port": 1}}}, {"services": {"analyzer": {"port": 1}}}, []),
        ({"log_level": "INFO"}, {"log_level": "DEBUG"}, [("log_level", "INFO", "DEBUG")]),
        (
            {"services": {"analyzer": {"port": 1, "enabled": True}}},
            {"services": {"analyzer": {"port": 2, "enabled": False}}},
            [("services.analyzer.enabled", True, False), ("services.analyzer.port", 1, 2)],
        ),
        ({}, {"metrics": {"enabled": True}}, [("metrics", None, {"enabled": True})]),
        ({"metrics": {"enabled": True}}, {}, [("metrics", {"enabled": True}, None)]),
        ({"webhooks": {"a": {"b": 1}, "c": 2}}, {}, hidden("webhooks")),
        ({"services": {"analyzer": {"a": 1, "b": 2}}}, {"services": {}}, hidden("services.analyzer")),
        ({"services": {"catalog": {"enabled": True}}}, {}, [("services.catalog.enabled", True, None)]),
        ({"services": {"catalog": {}}, "credentials": {}}, {}, []),
        ({"services": None}, {"services": {}}, []),
        ({"credentials": {"users": {"admin": 1}}}, {}, hidden("credentials.users")),
        ({"webhooks": {}}, {}, [("webhooks", {}, None)]),
        ({"webhooks": None}, {}, hidden("webhooks")),
        ({"webhooks": None}, {"webhooks": {}}, [("webhooks", None, {})]),
        ({"a": {"level": ["error"]}}, {"a": {"level": ["error", "info"]}}, [("a.level", ["error"], ["error", "info"])]),
        ({"list": [1]}, {"list": [2]}, hidden("list")),
        ({"list": [{"name": "a"}]}, {"list": [{"name": "b"}]}, hidden("list")),
        ({"port": 1}, {"port": True}, [("port", 1, True)]),
        ({"port": 1}, {"port": "1"}, [("port", 1, "1")]),
        ({"port": 1}, {"port": {"number": True}}, [("port", 1, {"number": True})]),
        ({"pin": 1}, {"pin": 2}, hidden("pin")),
        ({"pin": None}, {"pin": False}, [("pin", None, False)]),
        ({"pin": 1}, {"pin": None}, hidden("pin")),
        ({"a": {"cycle_timers": {"any": 1}}}, {"a": {"cycle_timers": {"any": 2}}}, [("a.cycle_timers.any", 1, 2)]),
        ({"a": {"cycle_timers": {"any": "x"}}}, {"a": {"cycle_timers": {"any": 2}}}, hidden("a.cycle_timers.any")),
        ({"key": "${ANCHORE_A}"}, {"key": "${ANCHORE_B}"}, [("key", "${ANCHORE_A}", "${ANCHORE_B}")]),
        ({"key": "${ANCHORE_A}x"}, {"key": "${ANCHORE_B}"}, hidden("key")),
        ({"key": "${ANCHORE_A:-x}"}, {"key": "${ANCHORE_B}"}, hidden("key")),
        ({"ui_url": "https://u:p@a"}, {"ui_url": "https://u:p@b/x"}, [("ui_url", "https://a", "https://b/x")]),
        ({"ui_url": "https://u:p/w@a"}, {"ui_url": "https://b?token=1"}, [("ui_url", "https://a", "https://b")]),
        ({"ui_url": "https://u:p@a"}, {"ui_url": "https://u:q@a"}, hidden("ui_url")),
        ({"ui_url": "https://u:p@a/?t=1@2"}, {"ui_url": "https://b"}, hidden("ui_url")),
        ({"ui_url": "https://a"}, {"ui_url": "u:p@a"}, hidden("ui_url")),
        ({"host_id": "a\nb"}, {"host_id": "c"}, hidden("host_id")),
        ({"host_id": "a" * 300}, {"host_id": "c"}, hidden("host_id")),
        ({"Some Value": {"port": 1}}, {"Some Value": {"port": 2}}, [("….port", 1, 2)]),
        ({"metrics": {"Some Value": True}}, {}, hidden("metrics")),
    ],
)
def test_what_is_told(before: Rest, after: Rest, expected: list[tuple[str, object, object]]) -> None:
    assert told(before, after) == expected


@pytest.mark.parametrize(
    ("source", "destination", "expected"),
    [
        (file({"a": 1}), file({"a": 2}, path="b.yaml"), "compared"),
        (file({"a": 1}), file({"services": {"catalog": {}}, "webhooks": None}, path="b.yaml"), "fragment"),
        (file({"services": {"catalog": {}}}), file({}, path="b.yaml"), "compared"),
        (file({}), file({"a": 1}, path="b.yaml"), "compared"),
        (file({"a": 1}), file({"a": 1}, path="b.yaml", form="helm"), "other form"),
        (file({"a": 1}, form="helm-job"), file({"a": 1}, path="b.yaml"), "other form"),
        (file({"a": 1}, form="helm"), file({"a": 2}, path="b.yaml", form="helm"), "compared"),
        (file({"a": 1}, form="helm"), file({}, form="helm-job"), "same file"),
    ],
)
def test_which_files_are_compared(source: StorageConfig, destination: StorageConfig, expected: str) -> None:
    assert relation(source, destination) == expected
    if expected != "compared":
        assert elsewhere(source, destination) == ()


def _scalars(texts: tuple[str, ...], numbers: tuple[int, ...]) -> st.SearchStrategy[object]:
    return st.none() | st.booleans() | st.sampled_from(texts) | st.sampled_from(numbers)


_PRIVATE = st.sampled_from(("secret", "password", "url", "webhook_pass", "value", "Name Of Someone", "general"))
_KNOWN = st.sampled_from(sorted(SHOWN))
_SECRET = _scalars((*HIDDEN_TEXTS, "${ANCHORE_X}"), (PIN, PIN + 1))
_PUBLIC = _scalars(("INFO", "0.0.0.0", f"https://{CANARY}:{CANARY}@host/?{CANARY}"), (1, 2))  # noqa: S104
_RESTS = st.recursive(
    st.dictionaries(_PRIVATE, _SECRET, max_size=3) | st.dictionaries(_KNOWN, _PUBLIC, max_size=3),
    lambda inner: st.dictionaries(_PRIVATE | _KNOWN, inner | st.lists(inner, max_size=2), max_size=3),
    max_leaves=8,
)


@given(before=_RESTS, after=_RESTS)
def test_a_value_shows_only_under_a_setting_known_to_be_harmless(before: Rest, after: Rest) -> None:
    files = pair(before, after)

    said = [one.model_dump_json() for one in (*config_changes(*files), *config_findings(*files))]

    assert not [line for line in said if CANARY in line or str(PIN) in line or str(PIN + 1) in line]


@given(before=_RESTS, after=_RESTS)
def test_files_are_told_equal_exactly_when_they_are(before: Rest, after: Rest) -> None:
    there, back = elsewhere(*pair(before, after)), elsewhere(*pair(after, before))

    assert (there == ()) == (repr(_sorted(before)) == repr(_sorted(after)))
    assert [one.path for one in there] == [one.path for one in back]


def _sorted(value: object) -> object:
    match value:
        case dict():
            return {key: _sorted(value[key]) for key in sorted(value)}
        case list():
            return [_sorted(item) for item in value]
        case _:
            return value
