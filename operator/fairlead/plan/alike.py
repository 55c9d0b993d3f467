"""What is alike in the requests of all combinations of a job, and is filled in once for all of them.

A text comes out the same where it names nothing that differs. Of what an expression can name, only `matrix` and
`strategy` differ between the combinations of a job, and `env` in its steps where a variable of the job does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from fairlead.expressions import count_again, counted

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping

    from fairlead.model.containers import EnvReference

_OWN = ("matrix", "strategy")

T = TypeVar("T")


class Alike:
    """What was filled in for one combination of a job, and stays for the others, as long as its needs do.

    `env` has the job's variables; None for a job that has no others, for which nothing is kept.
    """

    def __init__(self, env: Mapping[str, str | EnvReference] | None) -> None:
        self._differ = None if env is None else (*_OWN, "env") if varies(dict(env)) else _OWN
        self._found: dict[Hashable, tuple[object, int] | None] = {}

    def once(self, place: Hashable, texts: object, fill: Callable[[], T]) -> T:
        """Give what `fill` does, which depends on `texts` alone; `place` tells them from others of the job.

        What is counted of its length counts each time. What can't be filled in is tried again, and fails the same.
        """
        if self._differ is None:
            return fill()
        if place in self._found:
            known = self._found[place]
            if known is None:
                return fill()
            count_again(known[1])
            return cast("T", known[0])
        if varies(texts, self._differ):
            self._found[place] = None
            return fill()
        before = counted()
        value = fill()
        self._found[place] = value, counted() - before
        return value

    def condition(self, place: Hashable, condition: str, fill: Callable[[], T]) -> T:
        """Do the same for what depends on a condition, which is an expression without `${{ }}`."""
        return self.once(place, f"${{{{ {condition} }}}}", fill)


def varies(value: object, differ: Iterable[str] = _OWN) -> bool:
    """Whether a text somewhere in it may come out otherwise for another combination.

    Its names stand in it as they are, so where none of them does, it doesn't.
    """
    match value:
        case str():
            folded = value.casefold() if "${{" in value else ""
            return bool(folded) and any(name in folded for name in differ)
        case dict():
            return any(varies(name, differ) or varies(each, differ) for name, each in value.items())
        case list() | tuple():
            return any(varies(each, differ) for each in value)
        case _:
            return False
