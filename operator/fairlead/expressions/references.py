"""What an expression uses, known without evaluating it."""

from dataclasses import dataclass, field
from typing import Final

from .nodes import Call, Filter, Index, Literal, Name, Node, children, walk
from .template import Template
from .values import fold, to_text

ANY: Final = "*"
"""The step of a path that stands for a filter."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A path into the contexts, as far as it is static, in the words of the source.

    `needs.build.outputs['version']` is ("needs", "build", "outputs", "version"), a filter is the step ANY,
    and the path ends before an index that has to be computed. Position: an offset in the source.
    """

    path: tuple[str, ...]
    position: int = field(default=0, compare=False)

    def starts_with(self, *steps: str) -> bool:
        """Whether the path begins with these steps; like the language, without case."""
        return [fold(step) for step in self.path[: len(steps)]] == [fold(step) for step in steps]


def references(subject: Node | Template) -> tuple[Reference, ...]:
    """Return every use of a context, each as often as it occurs, in the order of the source."""
    found: list[Reference] = []
    pending = list(reversed(_roots(subject)))
    while pending:
        node = pending.pop()
        accesses = _accesses(node)
        root = accesses[0].target if accesses else node
        below = [access.key for access in accesses if isinstance(access, Index)]
        if isinstance(root, Name):
            found.append(Reference((root.name, *_static_steps(accesses)), root.position))
        else:
            below = [*children(root), *below]
        pending.extend(reversed(below))
    return tuple(found)


def calls(subject: Node | Template) -> frozenset[str]:
    """Return the functions used, in lower case, since their names have no case."""
    return frozenset(node.name.lower() for root in _roots(subject) for node in walk(root) if isinstance(node, Call))


def _roots(subject: Node | Template) -> tuple[Node, ...]:
    if isinstance(subject, Template):
        return tuple(expression.node for expression in subject.expressions)
    return (subject,)


def _accesses(node: Node) -> list[Index | Filter]:
    """Return the accesses that end in this node, the innermost first."""
    accesses: list[Index | Filter] = []
    while isinstance(node, Index | Filter):
        accesses.append(node)
        node = node.target
    return accesses[::-1]


def _static_steps(accesses: list[Index | Filter]) -> list[str]:
    steps: list[str] = []
    for access in accesses:
        if isinstance(access, Filter):
            steps.append(ANY)
        elif isinstance(access.key, Literal):
            steps.append(to_text(access.key.value))
        else:
            break
    return steps
