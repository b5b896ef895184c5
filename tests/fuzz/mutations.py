"""Data that is almost right: what is valid, with a few things dropped, renamed, retyped, nested or blown up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

Path_ = tuple[str | int, ...]

ODD_TEXT = st.sampled_from(
    [
        *(
            "",
            " ",
            "a b",
            "a/b",
            "../..",
            "/",
            "-",
            "--yes",
            "*",
            "%",
            "%s",
            "{}",
            "{{ x }}",
            ":name",
            "'; --",
            '"',
            "\\",
        ),
        *(
            "null",
            "true",
            "0",
            "1e999",
            "0x1f",
            "2024-02-30",
            "!!int x",
            "&a",
            "*a",
            "# x",
            "<<",
            "http://",
            "s3://b/k",
        ),
        *("http://127.0.0.1:9", "http://h:0", "http://h:99999", "https://[::1]:1/p", "http://a@b@c/", "${ANCHORE_X}"),
        *("${ANCHORE_X:-y}", "${", "${ANCHORE_", "\n", "a\nb", "a\tb", "\r\n", "\x7f", "\x1b[31m", "\u202e", "\u2028"),
        *(
            "ä",
            "ﬀ",
            "😀",
            "貨物",
            "\ufeff",
            "x" * 300,
            "x" * 70_000,
            "sha256:" + "0" * 64,
            "db",
            "s3",
            "swift",
            "localfs",
        ),
    ]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, -1, 1, 2**31, 2**63, -(2**63), 10**30, 0.5, 1e300, 1.0]),
    ODD_TEXT,
    st.text(max_size=10),
)
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(ODD_TEXT, SCALARS, max_size=3)


@st.composite
def mutated(draw: st.DrawFn, document: Any) -> Any:
    """Return ``document`` with one to four mutations."""
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(sorted(paths(document), key=str)))
        document = draw(one_mutation(document, path))
    return document


@st.composite
def one_mutation(draw: st.DrawFn, document: Any, path: Path_) -> Any:
    old = at(document, path)
    kind = draw(st.sampled_from(["drop", "rename", "replace", "retype", "nest", "swap", "add"]))
    match kind:
        case "drop" if path:
            return without(document, path)
        case "rename" if path and isinstance(path[-1], str):
            name = draw(ODD_TEXT | st.just(path[-1].upper()) | st.just(path[-1] + "s"))
            return replaced(without(document, path), (*path[:-1], name), old)
        case "retype":
            return replaced(document, path, draw(st.sampled_from([str(old), [old], {"": old}, [], {}, None, not old])))
        case "nest" if path:
            return replaced(document, path, draw(st.sampled_from([[[old]], {"a": {"b": old}}, {str(path[-1]): old}])))
        case "swap":
            other = draw(st.sampled_from(sorted(paths(document), key=str)))
            return replaced(document, path, at(document, other))
        case "add" if isinstance(old, dict):
            return replaced(document, path, {**old, draw(ODD_TEXT): draw(VALUES)})
        case _:
            return replaced(document, path, draw(VALUES))


def paths(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Yield the path of each value in ``value``, its own too."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from paths(each, (*path, key))


def at(value: Any, path: Path_) -> Any:
    return at(value[path[0]], path[1:]) if path else value


def replaced(value: Any, path: Path_, new: object) -> Any:
    if not path:
        return new
    copy = value.copy()
    old = value[path[0]] if not isinstance(value, dict) else value.get(path[0])
    copy[path[0]] = replaced(old, path[1:], new)
    return copy


def without(value: Any, path: Path_) -> Any:
    if len(path) > 1:
        return replaced(value, path[:1], without(value[path[0]], path[1:]))
    copy = value.copy()
    del copy[path[0]]
    return copy
