"""A YAML text as plain data, with the line of each value. Safe for any text: bounded, never a traceback.

Data is what JSON could hold: mappings with text keys, lists, text, numbers, true, false, null. A date stays text, and
so does a number that is not finite or beyond 64 bits.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from planner.mistakes import KeyPath, Mistake
from planner.references import Filled
from schemas.errors import ConfigError

DEPTH_LIMIT = 50
NODE_LIMIT = 50_000
"""Values once aliases are expanded; a real config has some hundred."""
NUMBER_LIMIT = 100
"""Characters of a number; Python's are unbounded, and so is the time they take."""

_BEYOND = 2**63
_CORE = "tag:yaml.org,2002:"
_COLLECTIONS = (_CORE + "map", _CORE + "seq")
_TEXT = _CORE + "str"
_MERGE = _CORE + "merge"
_UNFIT = re.compile("[\0\ud800-\udfff]")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_HARMLESS = re.compile(r"'(?:<[a-z ]+>|[],}:?-]|\\t)'")
_NAME_ANOTHER = "name a config.yaml of Anchore's, or values of its Helm chart"
_NO_KEY = "has a key that is not plain text; write a word"
# YAML reads {{ x }} as a mapping whose only key is a mapping.
_TEMPLATE = "has a key that is not plain text, as a template {{ … }} gives; write its value"
# An explicit tag (!!int x) makes PyYAML's constructors fail in each of these ways.
_UNFIT_SCALAR = (yaml.YAMLError, ValueError, OverflowError, LookupError, AttributeError)


@dataclass(frozen=True)
class YamlFile:
    data: object
    lines: Mapping[KeyPath, int]
    """1-based, of the original text."""
    mistakes: tuple[Mistake, ...]

    def line_of(self, path: KeyPath) -> int:
        """Return the line of ``path``, or of what is nearest above it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def parse(file: str, original: str, filled: Filled) -> YamlFile:
    """Parse ``filled``, which was made of ``original``; references without value are text again.

    Raises ConfigError, with the line but never with its text, when it is not YAML, is empty or goes beyond a limit.
    """
    reading = _Reading(file, original, filled)
    node = reading.compose()
    if node is None:
        raise ConfigError(f"{file}: the file is empty", hint=_NAME_ANOTHER)
    data = reading.value(node, (), 1)
    return YamlFile(data=data, lines=reading.lines, mistakes=tuple(reading.mistakes))


class _TooMuchError(yaml.MarkedYAMLError):
    """More values or levels than the limits allow."""


class _Loader(yaml.SafeLoader):
    """Stops composing at the limits, before nesting or size can hurt."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = 0
        self.nodes = 0

    # typing.override came with Python 3.12.
    def compose_node(  # type: ignore[explicit-override]
        self, parent: yaml.Node | None, index: int
    ) -> yaml.Node | None:
        self.depth += 1
        self.nodes += 1
        if self.depth > DEPTH_LIMIT or self.nodes > NODE_LIMIT:
            raise _TooMuchError(problem_mark=self.get_mark())
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Reading:
    """One pass over one text: collects lines and mistakes as it goes."""

    def __init__(self, file: str, original: str, filled: Filled) -> None:
        self.lines: dict[KeyPath, int] = {}
        self.mistakes: list[Mistake] = []
        self._file = file
        self._filled = filled
        self._line_ends = [found.start() for found in re.finditer("\n", original)]
        self._constructor = yaml.constructor.SafeConstructor()
        self._values = 0

    def compose(self) -> yaml.Node | None:
        try:
            loader = _Loader(self._filled.text)
        except yaml.reader.ReaderError as error:
            raise self._not_yaml("a character that YAML does not allow", error.position) from None
        try:
            return loader.get_single_node()
        except _TooMuchError as error:
            raise self._too_much(error.problem_mark) from None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark or loader.get_mark()
            problem = ", ".join(_without_text(part) for part in (error.context, error.problem) if part)
            raise self._not_yaml(problem, mark.index) from None
        except (ValueError, OverflowError):
            raise self._not_yaml("an escape for no character", loader.get_mark().index) from None

    def value(self, node: yaml.Node, path: KeyPath, depth: int) -> object:
        """Return what ``node`` holds; ``path`` is where it stands."""
        self._count(node, depth)
        self.lines.setdefault(path, self._line(node))
        if not isinstance(node, yaml.ScalarNode) and node.tag not in _COLLECTIONS:
            self._mistake(node, path, "has a tag that Anchore cannot load; leave the tag out")
        match node:
            case yaml.MappingNode():
                pairs = self._pairs(node, path, depth)
                return {key: self.value(item, (*path, key), depth + 1) for key, item in pairs.items()}
            case yaml.SequenceNode():
                return [self.value(item, (*path, str(index)), depth + 1) for index, item in enumerate(node.value)]
            case _:
                return self._scalar(node, path)

    def _pairs(self, node: yaml.MappingNode, path: KeyPath, depth: int) -> dict[str, yaml.Node]:
        """Return the mapping's own keys and, under them, those that it merges in by ``<<``."""
        own: dict[str, yaml.Node] = {}
        merged: dict[str, yaml.Node] = {}
        seen: set[str] = set()
        for key_node, item in node.value:
            self._count(key_node, depth)
            key = self._filled.restore(key_node.value) if isinstance(key_node, yaml.ScalarNode) else None
            if key is None or _UNFIT.search(key):
                self._mistake(key_node, path, _TEMPLATE if isinstance(key_node, yaml.MappingNode) else _NO_KEY)
                continue
            here = (*path, key)
            if key in seen:
                first = self.lines[here]
                self._mistake(key_node, here, f"is given twice, first on line {first}; keep one of them")
                continue
            seen.add(key)
            self.lines[here] = self._line(key_node)
            if key_node.tag == _MERGE:
                merged = self._merged(item, here, depth)
            else:
                own[key] = item
        return merged | own

    def _merged(self, node: yaml.Node, path: KeyPath, depth: int) -> dict[str, yaml.Node]:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        found: dict[str, yaml.Node] = {}
        for source in sources:
            self._count(source, depth)
            if not isinstance(source, yaml.MappingNode):
                self._mistake(source, path, "merges what is not a mapping; name a mapping by its alias")
                continue
            found = self._pairs(source, path, depth + 1) | found
        return found

    def _scalar(self, node: yaml.Node, path: KeyPath) -> object:
        if node.tag != _TEXT:
            return self._plain(node, path)
        text = self._filled.restore(node.value)
        if _UNFIT.search(text):
            self._mistake(node, path, "holds a NUL or half a character; write plain text")
        return text

    def _plain(self, node: yaml.Node, path: KeyPath) -> object:
        """Return the number, true, false or null that an unquoted scalar is, or its text when it is none of them."""
        if len(node.value) > NUMBER_LIMIT:
            self._mistake(node, path, "is too long for a number; put text in quotes")
            return None
        try:
            value = self._constructor.construct_object(node)
        except _UNFIT_SCALAR:
            self._mistake(node, path, "is not what YAML takes it for; put it in quotes")
            return None
        match value:
            case None | bool():
                return value
            # Not true of NaN either.
            case int() | float() if abs(value) < _BEYOND:
                return value
            case _:
                return self._filled.restore(node.value)

    def _count(self, node: yaml.Node, depth: int) -> None:
        self._values += 1
        if depth > DEPTH_LIMIT or self._values > NODE_LIMIT:
            raise self._too_much(node.start_mark)

    def _mistake(self, node: yaml.Node, path: KeyPath, what: str) -> None:
        self.mistakes.append(Mistake(line=self._line(node), path=path, what=what))

    def _line(self, node: yaml.Node) -> int:
        return self._line_at(node.start_mark.index)

    def _line_at(self, offset: int) -> int:
        return bisect_left(self._line_ends, self._filled.origin(offset)) + 1

    def _too_much(self, mark: yaml.Mark | None) -> ConfigError:
        return ConfigError(
            f"{self._file}:{self._line_at(mark.index if mark else 0)}: more than {NODE_LIMIT} values or {DEPTH_LIMIT} "
            "levels, aliases counted in full",
            hint=_NAME_ANOTHER,
        )

    def _not_yaml(self, problem: str, offset: int) -> ConfigError:
        return ConfigError(
            f"{self._file}:{self._line_at(offset)}: not valid YAML: {problem}",
            hint="check the indentation there, and put values with special characters in quotes",
        )


def _without_text(problem: str) -> str:
    """Return the parser's message without what it quotes from the file, which may be a secret."""
    return _QUOTED.sub(lambda found: found[0] if _HARMLESS.fullmatch(found[0]) else "…", problem)
