"""Partial evaluation: what is known now is decided now, the rest stays an expression.

Each node becomes a part: either its value is known, or it isn't and there is an expression for it. What is known and
scalar becomes a literal; an array or object has none, so its expression stays. Each part is evaluated once, from the
values of its own parts.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import assert_never

from .errors import EvaluationError
from .evaluator import Contexts, Evaluator
from .functions import BUILTINS, Functions
from .limits import MAX_LENGTH
from .nodes import Call, Comparison, Filter, Index, Literal, Logical, Name, Node, Not, Operator
from .references import ANY
from .unparse import unparse
from .values import Kind, fold, is_primitive, kind_of, plain_number, to_number, to_text, truthy


def simplify(
    node: Node,
    contexts: Contexts,
    functions: Functions = BUILTINS,
    *,
    unknown: Collection[str],
    source: str = "",
) -> Node:
    """Return an expression with the same value, in which what doesn't depend on `unknown` is decided.

    `unknown` has names of contexts (`steps`), paths into them (`job.status`) and names of functions (`hashFiles`), all
    without case; the rest of `contexts` and `functions` is as it will be. Whatever the unknown turns out to be,
    evaluating the result gives what evaluating `node` would have given, an error included. A mistake in a part that is
    certainly evaluated is raised at once, as EvaluationError with `source` in it; elsewhere that part stays.

    The result uses no context that `node` doesn't, though perhaps with a longer path: `steps[matrix.name].outputs`
    becomes `steps.build.outputs`. It is no deeper, and where it would be too long to parse, `node` is returned.
    """
    result = _Simplifier(contexts, functions, unknown, source).part(node, sure=True).node
    return result if len(unparse(result)) <= MAX_LENGTH else node


@dataclass(frozen=True, slots=True)
class _Part:
    """What has become of a node.

    `path` is where it leads in the contexts, as far as that is static, if it is a name or an access to one;
    `computed` says that it goes on from there by keys that aren't known.
    """

    node: Node
    known: bool = False
    value: object = None
    path: tuple[str, ...] = ()
    static: bool = False
    computed: bool = False


class _Remembering(Evaluator):
    """An evaluator that takes the values of parts from a shared memory."""

    def __init__(
        self, contexts: Contexts, functions: Functions, source: str, memory: dict[int, tuple[Node, object]]
    ) -> None:
        super().__init__(contexts, functions, source)
        self._memory = memory

    def evaluate(self, node: Node) -> object:
        if id(node) in self._memory:
            return self._memory[id(node)][1]
        return super().evaluate(node)


class _Simplifier:
    def __init__(self, contexts: Contexts, functions: Functions, unknown: Collection[str], source: str) -> None:
        self._functions = functions
        self._unknown_functions = {name.lower() for name in unknown}
        self._unknown_paths = [tuple(map(fold, path.split("."))) for path in unknown]
        self._source = source
        # The node is kept beside its value, so that its id belongs to nobody else.
        self._memory: dict[int, tuple[Node, object]] = {}
        # What may never be evaluated has a share of work of its own, so as not to use up that of the rest.
        self._sure = _Remembering(contexts, functions, source, self._memory)
        self._unsure = _Remembering(contexts, functions, source, self._memory)

    def part(self, node: Node, *, sure: bool) -> _Part:
        """Simplify a node. `sure` says that it is evaluated whatever the unknown turns out to be."""
        match node:
            case Literal():
                return _Part(node, known=True, value=node.value)
            case Name():
                return self._name(node, sure=sure)
            case Index():
                return self._index(node, sure=sure)
            case Filter():
                return self._filter(node, sure=sure)
            case Not():
                operand = self.part(node.operand, sure=sure)
                return self._rebuilt(Not(operand.node, node.position), (operand,), sure=sure)
            case Comparison():
                left, right = self.part(node.left, sure=sure), self.part(node.right, sure=sure)
                rebuilt = Comparison(node.operator, left.node, right.node, node.position)
                return self._rebuilt(rebuilt, (left, right), sure=sure)
            case Logical():
                return self._logical(node, sure=sure)
            case Call():
                return self._call(node, sure=sure)
            case _:
                assert_never(node)

    def _rebuilt(self, node: Node, parts: tuple[_Part, ...], *, sure: bool) -> _Part:
        return self._known(node, sure=sure) if all(part.known for part in parts) else _Part(node)

    def _known(self, node: Node, *, sure: bool) -> _Part:
        """Evaluate a node of known parts; one that fails, but may never be evaluated, is not known."""
        try:
            value = (self._sure if sure else self._unsure).evaluate(node)
        except EvaluationError as error:
            if sure:
                error.locate(node.position, self._source)
                raise
            return _Part(node)
        if is_primitive(value) and not (isinstance(value, str) and len(value) > MAX_LENGTH):
            return _Part(_literal(value, node.position), known=True, value=value)
        self._memory[id(node)] = node, value
        return _Part(node, known=True, value=value)

    def _name(self, node: Name, *, sure: bool) -> _Part:
        return self._access(_Part(replace(node), path=(fold(node.name),), static=True), sure=sure)

    def _index(self, node: Index, *, sure: bool) -> _Part:
        target = self.part(node.target, sure=sure)
        if target.known and is_primitive(target.value):
            # Null, and the key is never looked at.
            return _Part(Literal(Kind.NULL, None, node.position), known=True)
        key = self.part(node.key, sure=sure and target.known)
        rebuilt = Index(target.node, key.node, node.position)
        if not target.path:
            return self._rebuilt(rebuilt, (target, key), sure=sure)
        static = target.static and isinstance(key.node, Literal)
        path = (*target.path, fold(to_text(key.value))) if static else target.path
        computed = target.computed or not key.known
        return self._access(_Part(rebuilt, path=path, static=static, computed=computed), sure=sure)

    def _filter(self, node: Filter, *, sure: bool) -> _Part:
        target = self.part(node.target, sure=sure)
        rebuilt = Filter(target.node, node.position)
        if not target.path:
            return self._rebuilt(rebuilt, (target,), sure=sure)
        path = (*target.path, ANY) if target.static else target.path
        return self._access(replace(target, node=rebuilt, known=False, value=None, path=path), sure=sure)

    def _access(self, part: _Part, *, sure: bool) -> _Part:
        """Take the value from the contexts, unless the path leads to, through or around something unknown."""
        if part.computed or any(_meet(part.path, path) for path in self._unknown_paths):
            return part
        found = self._known(part.node, sure=sure)
        return replace(part, node=found.node, known=found.known, value=found.value)

    def _logical(self, node: Logical, *, sure: bool) -> _Part:
        """Leave out what only passes on to the next operand, and what comes after an operand that decides."""
        left: list[_Part] = []
        for index, operand in enumerate(node.operands):
            part = self.part(operand, sure=sure and not left)
            is_last = index == len(node.operands) - 1
            decides = part.known and truthy(part.value) is (node.operator is Operator.OR)
            if decides or is_last or not part.known:
                left.append(part)
            if decides:
                break
        if len(left) == 1:
            return left[0]
        return _Part(Logical(node.operator, tuple(part.node for part in left), node.position))

    def _call(self, node: Call, *, sure: bool) -> _Part:
        function = self._functions.get(node.name)
        is_unknown = node.name.lower() in self._unknown_functions
        if function is not None and function.call is BUILTINS["case"].call and not is_unknown:
            return self._case(node, sure=sure)
        eager = function is not None and not function.lazy
        arguments = tuple(self.part(argument, sure=sure and eager) for argument in node.arguments)
        rebuilt = Call(node.name, tuple(argument.node for argument in arguments), node.position)
        return _Part(rebuilt) if is_unknown else self._rebuilt(rebuilt, arguments, sure=sure)

    def _case(self, node: Call, *, sure: bool) -> _Part:
        """Leave out the branches that aren't taken; the first that certainly is becomes the last."""
        left: list[Node] = []
        default = node.arguments[-1]
        for predicate, value in zip(node.arguments[:-1:2], node.arguments[1::2], strict=True):
            holds = self.part(predicate, sure=sure and not left)
            if holds.known and isinstance(holds.value, bool):
                if not holds.value:
                    continue
                default = value
                break
            if holds.known and sure and not left:
                # No boolean, so this fails as it will: the other arguments don't matter.
                return self._known(replace(node, arguments=(holds.node, *node.arguments[1:])), sure=True)
            left += [holds.node, self.part(value, sure=False).node]
        last = self.part(default, sure=sure and not left)
        return _Part(Call(node.name, (*left, last.node), node.position)) if left else last


def _literal(value: object, position: int) -> Literal:
    match value:
        case None | bool() | str():
            return Literal(kind_of(value), value, position)
        case _:
            return Literal(Kind.NUMBER, plain_number(to_number(value)), position)


def _meet(path: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether one path leads through the other. A filter goes everywhere."""
    return all(ANY in (step, wanted) or step == wanted for step, wanted in zip(path, other, strict=False))
