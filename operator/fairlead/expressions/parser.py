"""Builds the tree, by precedence climbing over the tokens.

    expression  = unary { operator unary }          operators bind as Operator.precedence tells, to the left
    unary       = { "!" } access
    access      = operand { "." NAME | "." "*" | "[" expression "]" | "[" "*" "]" }
    operand     = LITERAL | NAME | NAME "(" [ expression { "," expression } ] ")" | "(" expression ")"

A literal takes no access without parentheses. Names, functions and the number of their arguments are
checked on the way, so the error reported is the first one in the order of the text.
"""

from collections.abc import Collection
from functools import lru_cache
from typing import Final, TypeAlias

from .errors import ParsingError
from .functions import BUILTINS, Functions, Signature
from .lexer import Token, TokenKind, tokenize
from .limits import MAX_DEPTH
from .nodes import Call, Comparison, Filter, Index, Literal, Logical, Name, Node, Not, Operator, children
from .values import Kind, kind_of

Names: TypeAlias = frozenset[str] | None
Signatures: TypeAlias = frozenset[Signature]

CACHED_LENGTH: Final = 1_000
"""Longer sources are parsed each time: with the number of entries it bounds what the cache can hold."""

_TOO_DEEP: Final = f"Exceeded max expression depth {MAX_DEPTH}"
_OPERATORS: Final = {operator.value: operator for operator in Operator}
_LOGICAL: Final = frozenset({Operator.AND, Operator.OR})


def parse(source: str, names: Collection[str] | None = None, functions: Functions = BUILTINS) -> Node:
    """Return the tree of one expression, written without `${{ }}`.

    `names` are the contexts that may be used, None for any. Names and functions have no case. Raises
    LexingError or ParsingError.
    """
    known = None if names is None else frozenset(names)
    if len(source) > CACHED_LENGTH:
        return parse_span(source, 0, len(source), known, functions.signatures)
    return _parse_cached(source, known, functions.signatures)


@lru_cache(maxsize=1024)
def _parse_cached(source: str, names: Names, signatures: Signatures) -> Node:
    return parse_span(source, 0, len(source), names, signatures)


def parse_span(source: str, start: int, end: int, names: Names, signatures: Signatures) -> Node:
    """Parse `source[start:end]`, with positions that count from the start of the whole source."""
    return _Parser(source, start, end, names, signatures).parse()


class _Parser:
    def __init__(self, source: str, start: int, end: int, names: Names, signatures: Signatures) -> None:
        self._source = source
        self._span = (start, end)
        self._names = None if names is None else {name.lower() for name in names}
        self._signatures = {signature.name.lower(): signature for signature in signatures}
        self._tokens = tokenize(source, start, end)
        self._next = 0
        self._open_brackets = 0
        self._open_operators = 0

    def parse(self) -> Node:
        if self._peek().kind is TokenKind.END:
            raise ParsingError("An expression was expected", position=self._span[0], source=self._source)
        node = self._expression()
        if self._peek().kind is not TokenKind.END:
            raise self._unexpected()
        self._check_depth(node)
        return node

    def _expression(self, floor: int = 0) -> Node:
        """Parse all that binds more strongly than `floor`."""
        left = self._unary()
        while (operator := _OPERATORS.get(self._peek().text)) and operator.precedence > floor:
            if operator in _LOGICAL:
                left = self._logical(left, operator)
            else:
                position = self._advance().position
                left = Comparison(operator, left, self._right_operand(operator), position)
        return left

    def _logical(self, first: Node, operator: Operator) -> Node:
        position = self._peek().position
        operands = [first]
        while self._accept(operator):
            operands.append(self._right_operand(operator))
        return Logical(operator, tuple(operands), position)

    def _unary(self) -> Node:
        # A loop, since a text may have thousands of them before the depth can be checked.
        negations = []
        while self._peek().text == "!":
            negations.append(self._advance().position)
        node = self._access()
        for position in reversed(negations):
            node = Not(node, position)
        return node

    def _access(self) -> Node:
        grouped = self._peek().text == "("
        node = self._operand()
        if isinstance(node, Literal) and not grouped:
            return node
        while True:
            position = self._peek().position
            if self._accept("."):
                node = self._property(node, position)
            elif self._accept("["):
                node = self._index(node, position)
            else:
                return node

    def _property(self, target: Node, position: int) -> Node:
        if self._accept("*"):
            return Filter(target, position)
        if self._peek().kind is not TokenKind.NAME:
            raise self._unexpected()
        name = self._advance()
        return Index(target, Literal(Kind.STRING, name.text, name.position), position)

    def _index(self, target: Node, position: int) -> Node:
        node = Filter(target, position) if self._accept("*") else Index(target, self._nested(), position)
        self._expect("]")
        return node

    def _operand(self) -> Node:
        match self._peek().kind:
            case TokenKind.LITERAL:
                token = self._advance()
                return Literal(kind_of(token.value), token.value, token.position)
            case TokenKind.NAME:
                return self._name_or_call(self._advance())
            case _ if self._accept("("):
                node = self._nested()
                self._expect(")")
                return node
            case _:
                raise self._unexpected()

    def _name_or_call(self, token: Token) -> Node:
        if self._peek().text == "(":
            return self._call(token)
        if self._names is not None and token.text.lower() not in self._names:
            raise self._error("Unrecognized named-value", token)
        return Name(token.text, token.position)

    def _call(self, name: Token) -> Node:
        signature = self._signatures.get(name.text.lower())
        if signature is None:
            raise self._error("Unrecognized function", name)
        arguments = self._arguments()
        if len(arguments) < signature.min_args:
            raise self._error("Too few parameters supplied", name)
        if len(arguments) > signature.max_args:
            raise self._error("Too many parameters supplied", name)
        if signature.odd_args and len(arguments) % 2 == 0:
            raise self._error("Even number of parameters supplied, requires an odd number of parameters", name)
        return Call(name.text, arguments, name.position)

    def _arguments(self) -> tuple[Node, ...]:
        self._expect("(")
        if self._accept(")"):
            return ()
        arguments = [self._nested()]
        while self._accept(","):
            arguments.append(self._nested())
        self._expect(")")
        return tuple(arguments)

    # All recursion goes through these two. Redundant parentheses aside, neither is open more often than the
    # tree is deep, so the limit of the tree stops both, and the stack stays small whatever the text.

    def _nested(self) -> Node:
        self._open_brackets += 1
        if self._open_brackets >= MAX_DEPTH:
            raise self._too_deep(self._peek().position)
        node = self._expression()
        self._open_brackets -= 1
        return node

    def _right_operand(self, operator: Operator) -> Node:
        self._open_operators += 1
        if self._open_operators >= MAX_DEPTH:
            raise self._too_deep(self._peek().position)
        node = self._expression(operator.precedence)
        self._open_operators -= 1
        return node

    def _check_depth(self, node: Node) -> None:
        level: tuple[Node, ...] = (node,)
        for _ in range(MAX_DEPTH):
            level = tuple(child for parent in level for child in children(parent))
        if level:
            raise self._too_deep(level[0].position)

    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _advance(self) -> Token:
        token = self._peek()
        self._next += 1
        return token

    def _accept(self, symbol: str) -> bool:
        if self._peek().text != symbol:
            return False
        self._next += 1
        return True

    def _expect(self, symbol: str) -> None:
        if not self._accept(symbol):
            raise self._unexpected()

    def _unexpected(self) -> ParsingError:
        if self._peek().kind is TokenKind.END:
            return self._error("Unexpected end of expression", self._tokens[self._next - 1])
        return self._error("Unexpected symbol", self._peek())

    def _too_deep(self, position: int) -> ParsingError:
        return ParsingError(_TOO_DEEP, position=position, source=self._source)

    def _error(self, reason: str, token: Token) -> ParsingError:
        return ParsingError(reason, symbol=token.text, position=token.position, source=self._source, span=self._span)
