"""Plain data as YAML gives it, looked into by path. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from planner.mistakes import KeyPath


def at(data: object, path: KeyPath) -> object:
    """Return what stands at ``path``, None where nothing does."""
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def has(data: object, path: KeyPath) -> bool:
    """Whether ``path`` is there, be it empty."""
    above = at(data, path[:-1])
    return isinstance(above, dict) and path[-1] in above


def texts(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """Yield each text in ``value``, which stands at ``path``, with its own path."""
    match value:
        case str():
            yield path, value
        case dict():
            for key, item in value.items():
                yield from texts(item, (*path, key))
        case list():
            for index, item in enumerate(value):
                yield from texts(item, (*path, str(index)))


def without(data: object, path: KeyPath) -> object:
    """Return ``data`` less what stands at ``path``, and less each mapping above it that is empty then."""
    if not isinstance(data, dict) or path[0] not in data:
        return data
    kept = without(data[path[0]], path[1:]) if len(path) > 1 else {}
    others = {key: item for key, item in data.items() if key != path[0]}
    return others if kept == {} else {**data, path[0]: kept}
