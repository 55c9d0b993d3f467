"""YAML text → its documents, with the place of every part, so that a problem can be shown where it was written."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

import yaml

from fairlead.model.problem import Path, one_line, quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from yaml._yaml import Mark as CMark
    from yaml.error import Mark as PlainMark

    Mark = PlainMark | CMark

MOST_BYTES: Final = 3 * 2**20
"""What kube-apiserver takes in one request, and so the most that a resource can have."""

_MOST_PARTS: Final = 500_000
"""Values in one file once its aliases are written out: beyond anything real, and short of what a memory holds."""

_MOST_DEPTH: Final = 200
_TOO_DEEP: Final = f"it is nested more than {_MOST_DEPTH} levels deep"

_SafeLoader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Dialect(Enum):
    """What plain words mean: to Kubernetes (YAML 1.1 as kubectl reads it), or in YAML 1.2's core schema."""

    KUBERNETES = auto()
    CORE = auto()


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a text; both count from 1, columns in characters."""

    line: int
    column: int


class SourceError(Exception):
    """A text that can't be read as YAML that is JSON: where that shows, and why."""

    def __init__(self, message: str, position: Position | None = None) -> None:
        super().__init__(message, position)
        self.message = message
        self.position = position

    def __str__(self) -> str:
        at = self.position
        return f"{self.message} at line {at.line}, column {at.column}" if at else self.message


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file. `value` is what JSON knows: dict with str keys, list, str, int, float, bool, None.

    `keys` has the place of each key of a mapping by the path of its value, `values` that of each value. A key that
    stands twice counts as its last says; `duplicates` has the places of those.
    """

    value: object
    keys: Mapping[Path, Position]
    values: Mapping[Path, Position]
    duplicates: tuple[tuple[Path, Position], ...] = ()

    def position(self, path: Path) -> Position:
        """Give the place of a part: its key's, or in a list its own; where it is missing, what it would be in."""
        for length in range(len(path), 0, -1):
            found = self.keys.get(path[:length]) or self.values.get(path[:length])
            if found is not None:
                return found
        return self.values[()]


def read_documents(text: str, dialect: Dialect = Dialect.KUBERNETES) -> list[Document]:
    """Read all documents that aren't empty. Raises SourceError at the first place that can't be understood."""
    if len(text) > MOST_BYTES or len(text.encode(errors="replace")) > MOST_BYTES:
        raise SourceError(f"it has more than {MOST_BYTES // 2**20} MiB, which no cluster would take")
    try:
        return list(_documents(_json_as_yaml(text), dialect))
    except yaml.MarkedYAMLError as error:
        raise SourceError(f"not YAML: {_said(error)}", _place(error.problem_mark or error.context_mark)) from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position] if isinstance(error.position, int) else ""
        at = Position(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
        raise SourceError("a character that YAML doesn't allow; write it as an escape in double quotes", at) from error


def _said(error: yaml.MarkedYAMLError) -> str:
    """Say what is wrong, and where that began: what is never closed shows only at the end of the text."""
    problem, begins, shows = error.problem or error.context or str(error), error.context_mark, error.problem_mark
    if begins is None or shows is None or begins.line == shows.line or not error.context:
        return one_line(problem)
    return one_line(f"{problem}, {error.context} that begins at line {begins.line + 1}, column {begins.column + 1}")


def _documents(text: str, dialect: Dialect) -> Iterator[Document]:
    _check_depth(text)
    loader = _LOADERS[dialect](text)
    try:
        parts = _MOST_PARTS
        while loader.check_node():
            walk = _Walk(parts)
            node = loader.get_node()
            value = None if node is None else walk.value(node, (), 0)
            parts = walk.left
            if value is not None:
                yield Document(value, walk.keys, walk.values, tuple(walk.duplicates))
    finally:
        loader.dispose()


def _json_as_yaml(text: str) -> str:
    """Make YAML of JSON, which kubectl takes as well: of tabs between parts, and of characters escaped in pairs."""
    if not text.lstrip().startswith(("{", "[")) or not ("\t" in text or _PAIR.search(text)):
        return text
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    return _PAIR.sub(_one_escape, text.replace("\t", " "))


def _one_escape(found: re.Match[str]) -> str:
    high, low = (int(half, 16) for half in found.groups())
    return f"\\U{0x10000 + ((high & 0x3FF) << 10) + (low & 0x3FF):08x}"


def _check_depth(text: str) -> None:
    """Look before the composer does: the one in C runs out of its stack."""
    depth = 0
    for event in yaml.parse(text, Loader=_SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MOST_DEPTH:
                raise SourceError(_TOO_DEEP, _place(event.start_mark))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


@dataclass(slots=True)
class _Walk:
    """Takes one document's tree apart; `left` counts down the values that it may still have."""

    left: int
    keys: dict[Path, Position] = field(default_factory=dict)
    values: dict[Path, Position] = field(default_factory=dict)
    duplicates: list[tuple[Path, Position]] = field(default_factory=list)

    def value(self, node: yaml.Node, path: Path, depth: int) -> object:
        self.left -= 1
        if self.left < 0:
            raise SourceError(f"it has more than {_MOST_PARTS} values, counting what its aliases repeat", _start(node))
        if depth > _MOST_DEPTH:
            raise SourceError(_TOO_DEEP, _start(node))
        self.values[path] = _start(node)
        match node:
            case yaml.MappingNode():
                return self._mapping(node, path, depth)
            case yaml.SequenceNode():
                _check_tag(node, "seq")
                return [self.value(each, (*path, index), depth + 1) for index, each in enumerate(node.value)]
            case _:
                return _scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[str, object]:
        _check_tag(node, "map")
        found: dict[str, object] = {}
        own: set[str] = set()
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                for each in self._merged(value_node, path, depth):
                    found = {**each, **found}
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise SourceError("a key has to be a text, not a list or a map", _start(key_node))
            key = _key(key_node)
            at = (*path, key)
            if key in own:
                self.duplicates.append((at, _start(key_node)))
            own.add(key)
            self.keys[at] = _start(key_node)
            found[key] = self.value(value_node, at, depth + 1)
        return found

    def _merged(self, node: yaml.Node, path: Path, depth: int) -> Iterator[dict[str, object]]:
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for each in nodes:
            if not isinstance(each, yaml.MappingNode):
                raise SourceError("only maps can be merged with <<", _start(each))
            walk = _Walk(self.left)
            found = walk.value(each, path, depth + 1)
            self.left = walk.left
            self.keys = {**walk.keys, **self.keys}
            self.values = {**walk.values, **self.values}
            assert isinstance(found, dict)  # noqa: S101  what a mapping's value is
            yield found


def _start(node: yaml.Node) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)


def _place(mark: Mark | None) -> Position | None:
    return None if mark is None else Position(mark.line + 1, mark.column + 1)


def _check_tag(node: yaml.Node, kind: str) -> None:
    if node.tag != f"{_TAG}{kind}":
        raise SourceError(f"the tag {quote(node.tag.removeprefix(_TAG))} means nothing here", _start(node))


def _key(node: yaml.ScalarNode) -> str:
    """Give a key as JSON has it: a text, whatever a plain word would be as a value."""
    value = _scalar(node)
    if isinstance(value, bool):
        return "true" if value else "false"
    return node.value if isinstance(node.value, str) else str(node.value)


def _scalar(node: yaml.Node) -> object:
    text = str(node.value)
    match node.tag.removeprefix(_TAG):
        case "str":
            return text
        case "null":
            return None
        case "bool":
            return text[:2].casefold() in ("y", "ye", "tr", "on")
        case "int":
            return _whole(text, node, 10)
        case "octal":
            return _whole(text, node, 8)
        case "prefixed":
            return _whole(text, node, 0)
        case "float":
            return _number(text, node)
        case other:
            raise SourceError(f"the tag {quote(other)} means nothing here", _start(node))


def _whole(text: str, node: yaml.Node, base: int) -> int:
    plain = text.replace("_", "")
    try:
        return int(plain, base)
    except ValueError:
        raise SourceError(f"{quote(text)} is not a whole number", _start(node)) from None


def _number(text: str, node: yaml.Node) -> float:
    try:
        value = float(text.replace("_", ""))
    except ValueError:
        value = float("nan")
    if value - value != 0:
        raise SourceError(f"{quote(text)} is no number that JSON has; put it into quotes", _start(node))
    return value


_PAIR: Final = re.compile(r"(?<!\\)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")

_TAG: Final = "tag:yaml.org,2002:"
_MERGE: Final = f"{_TAG}merge"

_NULL = r"~|null|Null|NULL|"
_FLOAT = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
_PLAIN: Final = {
    Dialect.KUBERNETES: {
        "null": _NULL,
        "bool": "y|Y|n|N|(?:yes|no|on|off|true|false|Yes|No|On|Off|True|False|YES|NO|ON|OFF|TRUE|FALSE)",
        "int": r"[-+]?(?:0|[1-9][0-9_]*)",
        "octal": r"[-+]?0[0-7_]+",
        "prefixed": r"[-+]?0(?:b[01_]+|x[0-9a-fA-F_]+|o[0-7_]+)",
        "float": _FLOAT,
        "merge": "<<",
    },
    Dialect.CORE: {
        "null": _NULL,
        "bool": "true|True|TRUE|false|False|FALSE",
        "int": r"[-+]?[0-9]+",
        "prefixed": r"0o[0-7]+|0x[0-9a-fA-F]+",
        "float": _FLOAT,
        "merge": "<<",
    },
}
"""What a plain word is, the first that fits. Kubernetes' is what go-yaml makes of YAML 1.1: a date stays a text, and so
does 22:30, which others take for a number to the base of 60."""


def _loader(dialect: Dialect) -> type[yaml.SafeLoader]:
    patterns = [(f"{_TAG}{name}", re.compile(pattern, re.ASCII)) for name, pattern in _PLAIN[dialect].items()]

    def resolve(_: object, kind: type[yaml.Node], value: str | None, implicit: object) -> str:
        if kind is yaml.MappingNode:
            return f"{_TAG}map"
        if kind is yaml.SequenceNode:
            return f"{_TAG}seq"
        plain = isinstance(implicit, tuple) and implicit[0]
        found = (tag for tag, pattern in patterns if plain and pattern.fullmatch(value or ""))
        return next(found, f"{_TAG}str")

    return type("Loader", (_SafeLoader,), {"resolve": resolve})


_LOADERS: Final = {dialect: _loader(dialect) for dialect in Dialect}
