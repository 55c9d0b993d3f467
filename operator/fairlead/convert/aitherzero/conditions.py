"""Conditions in PowerShell → expressions, as far as they only compare values.

    $env:BRANCH -eq 'main' -and $Scope -in @('full', 'quick')
    env.BRANCH == 'main' && contains(fromJSON('["full", "quick"]'), inputs.Scope)

In PowerShell `-and` and `-or` bind alike, from left to right; `-not` binds more than a comparison; texts are compared
without case, as here. What would have to run (commands, regular expressions) is a ConditionError.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from fairlead.convert.powershell import Kind, PowerShellError, Token, Tokens
from fairlead.expressions import ExpressionError, parse, unparse
from fairlead.model.problem import quote
from fairlead.model.status_functions import CONDITION_FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_DEPTH: Final = 50
_MOST_LENGTH: Final = 5_000
_STATUS: Final = ("always", "success", "failure", "cancelled")
_CONSTANTS: Final = {"true": True, "false": False, "null": None}
_WILD: Final = re.compile(r"[*?\[\]`]")
_REGEX: Final = re.compile(r"[\\.^$|?*+()\[\]{}]")
_COMPARISONS: Final = {"eq": "==", "ne": "!=", "gt": ">", "ge": ">=", "lt": "<", "le": "<=", "==": "==", "!=": "!="}
_LOOKS: Final = ("like", "notlike", "match", "notmatch")
_MEMBERS: Final = ("in", "notin", "contains", "notcontains")


class ConditionError(Exception):
    """Why a condition can't be an expression."""


class Type(Enum):
    """What is known of an operand: `TEXT` is a reference that always gives a text, `VALUE` one of any kind."""

    LITERAL = auto()
    LIST = auto()
    TEXT = auto()
    VALUE = auto()
    CONDITION = auto()


@dataclass(frozen=True, slots=True)
class Operand:
    """A part of an expression: its source, and for a literal or a list its value."""

    text: str
    type: Type
    value: object = None


@dataclass(slots=True)
class Converted:
    """A condition as an expression without `${{ }}`, and sentences on what differs."""

    text: str
    approximated: list[str] = field(default_factory=list)


def literal(value: object) -> Operand:
    """Make the operand of a constant."""
    if isinstance(value, list):
        return Operand(f"fromJSON({_quoted(json.dumps(value, ensure_ascii=False))})", Type.LIST, value)
    if isinstance(value, dict):
        raise ConditionError("a table can't be compared")
    if value is None or isinstance(value, bool):
        return Operand({None: "null", True: "true", False: "false"}[value], Type.LITERAL, value)
    return Operand(_quoted(value) if isinstance(value, str) else repr(value), Type.LITERAL, value)


def convert_condition(text: str, resolve: Callable[[tuple[str, ...]], Operand]) -> Converted:
    """Turn a condition into an expression; `resolve` gives what a variable is.

    Its paths are `("env", NAME)` for `$env:NAME`, `("variable", NAME)` for `$NAME`, `$Variables.NAME` and `{{NAME}}`,
    `("jobs", ID, "outputs", NAME)`, `("steps", …)`, `("matrix", …)`. Raises ConditionError, as `resolve` may.
    """
    if len(text) > _MOST_LENGTH:
        raise ConditionError(f"it has more than {_MOST_LENGTH} characters")
    parser = _Parser(text, resolve)
    try:
        found = parser.whole()
        node = parse(found.text, functions=CONDITION_FUNCTIONS)
    except PowerShellError as error:
        raise ConditionError(str(error)) from error
    except ExpressionError as error:
        raise ConditionError(f"it is too much for an expression: {error}") from error
    return Converted(unparse(node), parser.approximated)


class _Parser:
    def __init__(self, text: str, resolve: Callable[[tuple[str, ...]], Operand]) -> None:
        self._tokens = Tokens(text)
        self._resolve = resolve
        self._depth = 0
        self.approximated: list[str] = []

    def whole(self) -> Operand:
        found = self._either()
        after = self._tokens.peek()
        if after.kind is not Kind.END:
            raise ConditionError(f"{quote(after.text, 40)} can't be kept in an expression")
        return found

    def _either(self) -> Operand:
        return self._chain(("||",), lambda: self._chain(("&&",), self._logical, "&&"), "||")

    def _chain(self, symbols: tuple[str, ...], operand: Callable[[], Operand], sign: str) -> Operand:
        found = operand()
        while self._tokens.peek().text in symbols:
            self._tokens.next()
            found = Operand(f"({found.text} {sign} {operand().text})", Type.CONDITION)
        return found

    def _logical(self) -> Operand:
        found = self._comparison()
        while (sign := {"-and": "&&", "-or": "||"}.get(self._tokens.peek().text.casefold())) is not None:
            self._tokens.next()
            found = Operand(f"({found.text} {sign} {self._comparison().text})", Type.CONDITION)
        return found

    def _comparison(self) -> Operand:
        left = self._unary()
        while (operator := self._operator()) is not None:
            right = self._listed() if operator in _MEMBERS else self._unary()
            left = Operand(f"({self._compare(operator, left, right)})", Type.CONDITION)
        return left

    def _operator(self) -> str | None:
        token = self._tokens.peek()
        word = token.text.casefold()
        if word in ("==", "!="):
            self._tokens.next()
            return word
        if token.kind is not Kind.WORD or not word.startswith("-"):
            return None
        name = word[1:]
        known = {*_COMPARISONS, *_LOOKS, *_MEMBERS}
        if name not in known and name[:1] in ("i", "c") and name[1:] in known:
            if name[0] == "c":
                self.approximated.append(f"{token.text} looks at upper and lower case; an expression doesn't")
            name = name[1:]
        if name not in known:
            return None
        self._tokens.next()
        return name

    def _unary(self) -> Operand:
        token = self._tokens.peek()
        if token.text.casefold() in ("-not", "!"):
            self._tokens.next()
            with_depth = self._deeper(self._unary)
            return Operand(f"!{with_depth.text}", Type.CONDITION)
        return self._operand()

    def _deeper(self, read: Callable[[], Operand]) -> Operand:
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise ConditionError(f"it is nested more than {_MOST_DEPTH} levels deep")
        found = read()
        self._depth -= 1
        return found

    def _listed(self) -> Operand:
        first = self._unary()
        if self._tokens.peek().kind is not Kind.COMMA:
            return first
        items = [first]
        while self._tokens.peek().kind is Kind.COMMA:
            self._tokens.next()
            items.append(self._unary())
        return _list(items)

    def _operand(self) -> Operand:
        token = self._tokens.next()
        match token.kind:
            case Kind.TEXT | Kind.NUMBER:
                return literal(token.value)
            case Kind.VARIABLE:
                return self._variable(token)
            case Kind.OPEN:
                found = self._deeper(self._either)
                self._close()
                return Operand(f"({found.text})", found.type, found.value)
            case Kind.ARRAY:
                return self._array()
            case Kind.BLOCK if (name := re.fullmatch(r"\{\{\s*([^{}]+?)\s*\}\}", token.text)) is not None:
                return self._reference(("variable", name[1]))
            case Kind.WORD:
                return self._word(token)
            case Kind.END:
                raise ConditionError("a value is missing at its end")
            case _:
                raise ConditionError(f"{quote(token.text, 40)} can't be kept in an expression")

    def _array(self) -> Operand:
        items: list[Operand] = []
        while self._tokens.peek().kind is not Kind.CLOSE:
            items.append(self._deeper(self._unary))
            if self._tokens.peek().kind is Kind.COMMA:
                self._tokens.next()
            elif self._tokens.peek().kind is not Kind.CLOSE:
                raise ConditionError("only plain values can stand in @( )")
        self._close()
        return _list(items)

    def _close(self) -> None:
        token = self._tokens.next()
        if token.text != ")":
            raise ConditionError("a parenthesis isn't closed")

    def _variable(self, token: Token) -> Operand:
        name = str(token.value)
        if name.casefold() in _CONSTANTS:
            return literal(_CONSTANTS[name.casefold()])
        scope, colon, rest = name.partition(":")
        if colon:
            if scope.casefold() == "env":
                return self._reference(("env", rest))
            name = rest
        return self._reference((name, *self._properties()))

    def _properties(self) -> tuple[str, ...]:
        found: list[str] = []
        while self._tokens.peek().text == ".":
            self._tokens.next()
            token = self._tokens.next()
            if token.kind is not Kind.WORD:
                raise ConditionError("only names can stand behind a dot")
            found += token.text.split(".")
        return tuple(found)

    def _word(self, token: Token) -> Operand:
        word = token.text.casefold()
        if word in _STATUS and self._tokens.peek().kind is Kind.OPEN:
            self._tokens.next()
            self._close()
            return Operand(f"{word}()", Type.CONDITION)
        if word in _CONSTANTS:
            return literal(_CONSTANTS[word])
        head, *rest = token.text.split(".")
        if self._tokens.peek().kind is Kind.OPEN or token.text.startswith("-") or not all((head, *rest)):
            raise ConditionError(f"{quote(token.text, 40)} would have to be run")
        if rest or word in ("iswindows", "islinux", "ismacos"):
            return self._reference((head, *rest))
        raise ConditionError(f"{quote(token.text, 40)} would have to be run")

    def _reference(self, path: tuple[str, ...]) -> Operand:
        first, rest = path[0].casefold(), path[1:]
        match (first, rest):
            case ("iswindows" | "islinux" | "ismacos", ()):
                return literal(first == "islinux")
            case ("variables" | "vars", (name,)):
                return self._resolve(("variable", name))
            case ("jobs" | "needs" | "steps" | "matrix" | "env" | "variable" | "github" | "inputs", (_, *_)):
                return self._resolve(("jobs" if first == "needs" else first, *rest))
            case (_, ()):
                return self._resolve(("variable", path[0]))
            case _:
                raise ConditionError(f"{quote('.'.join(path), 60)} is known only to PowerShell")

    def _compare(self, operator: str, left: Operand, right: Operand) -> str:
        if operator in _MEMBERS:
            return _member(operator, left, right)
        if operator in _LOOKS:
            return _look(operator, left, right)
        if Type.LIST in (left.type, right.type):
            raise ConditionError("comparing a list picks from it; use -contains or -in")
        if operator not in ("eq", "ne", "==", "!=") and Type.TEXT in (left.type, right.type):
            self.approximated.append("PowerShell compares a variable of the environment as text; here it is a number")
            return f"{left.text} {_COMPARISONS[operator]} {right.text}"
        one, other = _alike(left, right), _alike(right, left)
        return f"{one} {_COMPARISONS[operator]} {other}"


def _alike(operand: Operand, other: Operand) -> str:
    """Give the source of an operand, such that it compares with the other as in PowerShell."""
    if operand.type is Type.LITERAL and other.type is Type.TEXT and not isinstance(operand.value, str):
        return _quoted("" if operand.value is None else operand.text)
    if operand.type is Type.LITERAL and operand.value is None and other.type is Type.VALUE:
        return "''"
    if other.type is Type.LITERAL and other.value is None and operand.type is Type.VALUE:
        # Nothing is neither false nor 0.
        return f"format('{{0}}', {operand.text})"
    return operand.text


def _list(items: list[Operand]) -> Operand:
    if any(each.type is not Type.LITERAL for each in items):
        raise ConditionError("only plain values can stand in a list")
    return literal([each.value for each in items])


def _member(operator: str, left: Operand, right: Operand) -> str:
    one, many = (left, right) if operator in ("in", "notin") else (right, left)
    negated = "!" if operator.startswith("not") else ""
    if many.type is Type.LITERAL:
        many = literal([many.value])
    if many.type is not Type.LIST:
        raise ConditionError("which values a list has must stand in the file")
    if one.type is Type.LIST:
        raise ConditionError("a list can't be looked for in a list")
    return f"{negated}contains({many.text}, {one.text})"


def _look(operator: str, left: Operand, right: Operand) -> str:
    pattern = right.value
    if right.type is not Type.LITERAL or not isinstance(pattern, str) or left.type is Type.LIST:
        raise ConditionError(f"-{operator} needs a value on its left and a text on its right")
    negated = "!" if operator.startswith("not") else ""
    if operator.endswith("like"):
        begins, ends, inner = not pattern.startswith("*"), not pattern.endswith("*"), pattern.strip("*")
        special = _WILD
    else:
        begins, ends = pattern.startswith("^"), pattern.endswith("$")
        inner = pattern.removeprefix("^").removesuffix("$")
        special = _REGEX
    if special.search(inner):
        raise ConditionError(f"{quote(pattern, 40)} is more than a text at the beginning, at the end or anywhere")
    if begins and ends:
        return f"{left.text} {'!=' if negated else '=='} {_quoted(inner)}"
    name = "startsWith" if begins else "endsWith" if ends else "contains"
    return f"{negated}{name}({left.text}, {_quoted(inner)})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
