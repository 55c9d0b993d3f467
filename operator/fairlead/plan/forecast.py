"""What a run would do, told before there is one: each condition decided as far as it is known.

Two worlds are asked for each job: *any*, in which the jobs before it may end in any way, and the *good* one, in which
all goes well. A job that any world skips is skipped; one that runs in the good world runs; the rest depends on what
the jobs before it give, or on their failure.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from fairlead.expressions import (
    ExpressionError,
    evaluate_template,
    parse,
    simplify,
    truthy,
    unparse,
)
from fairlead.model.containers import service_name
from fairlead.model.ids import RunNumber
from fairlead.model.problem import one_line, quote
from fairlead.model.status_functions import CONDITION_FUNCTIONS, status_functions
from fairlead.plan.contexts import base_contexts
from fairlead.plan.known import evaluated, filled, is_known, unknown_texts
from fairlead.plan.matrix import combination_name, expand
from fairlead.plan.matrix_filters import MatrixError
from fairlead.plan.run import Policy
from fairlead.syntax.truth import tidy, truth

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from fairlead.expressions import Node
    from fairlead.model.ids import JobId
    from fairlead.model.workflow import JobPlan, Workflow
    from fairlead.plan.contexts import Contexts
    from fairlead.plan.observed import Resource

_AFTER_SUCCESS: Final = "success()"
_IMPLICIT: Final = "success() && "
_LATER: Final = ("run", "uid", "generation", "namespace")
"""What a workflow knows of itself once it runs."""

_SKIPPED: Final = {"result": "skipped", "outputs": {}}
_MOST_NAME: Final = 100


class Outlook(StrEnum):
    """Whether a job will run."""

    RUNS = "runs"
    """Unless something before it goes wrong."""
    SKIPPED = "skipped"
    """Whatever happens before it."""
    DEPENDS = "depends"
    """On what the jobs before it give, or on their failure."""


@dataclass(frozen=True, slots=True)
class Combined:
    """One node: a job's only one, or one combination, with its values."""

    name: str
    matrix: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class JobForecast:
    """What is known of one job.

    `expected`: whether it runs, or may run, where all goes well. `condition` is it as it is written, None where nothing
    is said; `remainder` what is left of it once all that is known is decided. `why` says why it is skipped, `trouble`
    why it would fail. `nodes` is empty where `matrix_from`, the expression that the matrix comes from, depends on other
    jobs. `group` is its concurrency group. Texts are filled in as far as they are known.
    """

    id: JobId
    name: str
    needs: tuple[JobId, ...]
    wave: int
    outlook: Outlook
    expected: bool = True
    condition: str | None = None
    remainder: str | None = None
    why: str | None = None
    trouble: str | None = None
    nodes: tuple[Combined, ...] = ()
    matrix_from: str | None = None
    image: str = ""
    uses: str | None = None
    check: str | None = None
    services: tuple[str, ...] = ()
    group: str | None = None
    max_parallel: int | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is known of a run. `jobs` are in the order of their waves, which count from 1."""

    jobs: tuple[JobForecast, ...]
    group: str | None = None
    max_parallel: int | None = None
    schedules: tuple[str, ...] = ()
    suspended: bool = False

    @property
    def waves(self) -> tuple[tuple[JobForecast, ...], ...]:
        """Group the jobs: each wave needs only those before it."""
        found: dict[int, list[JobForecast]] = {}
        for job in self.jobs:
            found.setdefault(job.wave, []).append(job)
        return tuple(tuple(found[wave]) for wave in sorted(found))

    def only(self, jobs: Collection[str]) -> Forecast:
        """Leave the other jobs out."""
        return replace(self, jobs=tuple(job for job in self.jobs if job.id in jobs))


@dataclass(slots=True)
class _World:
    """One of the two: which jobs are skipped in it, and before which everything went well (None: not known)."""

    skipped: dict[JobId, bool | None] = field(default_factory=dict)
    well: dict[JobId, bool | None] = field(default_factory=dict)

    def before(self, job: JobPlan) -> bool | None:
        """Whether all goes well before a job."""
        before = [self.well[need] for need in job.needs]
        return False if False in before else (None if None in before else True)

    def note(self, job: JobPlan, *, skipped: bool | None) -> None:
        """Note what becomes of a job."""
        before = self.before(job)
        self.skipped[job.id] = skipped
        self.well[job.id] = False if skipped or before is False else (None if skipped is None else before)

    def leave_out(self, job: JobPlan) -> None:
        """Note that a job isn't enabled: what was before it is what counts for those after it."""
        self.skipped[job.id] = True
        self.well[job.id] = self.before(job)


def forecast(workflow: Workflow, resource: Resource, written: Sequence[str] = ()) -> Forecast:
    """Tell what a run would do. `written` has the jobs' ids in the order in which they are shown."""
    base = base_contexts(workflow, resource, RunNumber(1))
    unknown = {*(f"workflow.{name}" for name in _LATER), "github.run_id", "github.run_number"}
    if not resource.key.name:
        unknown |= {"workflow.name", "github.workflow"}
    waves = waves_of(workflow)
    any_world, good_world = _World(), _World()
    found = [_job(job, base, unknown, waves[job.id], any_world, good_world) for job in workflow.jobs.values()]
    place = {job_id: index for index, job_id in enumerate(written)}
    found.sort(key=lambda job: (job.wave, place.get(job.id, len(place))))
    return Forecast(
        tuple(found),
        filled(workflow.concurrency.group, base, unknown).strip() if workflow.concurrency else None,
        workflow.max_parallel,
        tuple(f"{each.cron} {each.timezone}" for each in workflow.schedules),
        workflow.suspend,
    )


def waves_of(workflow: Workflow) -> dict[JobId, int]:
    """Give the wave of each job: one more than the last of its needs', and 1 without any."""
    waves: dict[JobId, int] = {}
    for job in workflow.jobs.values():
        waves[job.id] = 1 + max((waves[need] for need in job.needs), default=0)
    return waves


def _job(
    job: JobPlan, base: Contexts, unknown: set[str], wave: int, any_world: _World, good_world: _World
) -> JobForecast:
    written = _written(job.condition)
    enabled = _flag(job.enabled, base, unknown)
    if enabled is False:
        any_world.leave_out(job)
        good_world.leave_out(job)
        decided: tuple[Outlook, str | None, str | None] = (Outlook.SKIPPED, None, "it is not enabled")
    else:
        decided = _decide(job, base, unknown, any_world, good_world, certain=enabled is True)
    outlook, remainder, why = decided
    needs = _needs(job, any_world)
    contexts: Contexts = {**base, "needs": needs}
    unsure = unknown | {f"needs.{need}" for need in job.needs if need not in needs}
    nodes, matrix_from, trouble = _nodes(job, contexts, unsure)
    unsure |= {"matrix", "strategy"}
    return JobForecast(
        id=job.id,
        name=filled(job.label, contexts, unsure),
        needs=job.needs,
        wave=wave,
        outlook=outlook,
        expected=good_world.skipped[job.id] is not True,
        condition=written,
        remainder=remainder,
        why=why,
        trouble=trouble if outlook is not Outlook.SKIPPED else None,
        nodes=nodes,
        matrix_from=matrix_from,
        image=filled(job.image, contexts, unsure),
        uses=None if job.uses is None else filled(job.uses, contexts, unsure),
        check=job.check,
        services=tuple(
            name if service_name(each.image) == name else f"{name} ({each.image})"
            for name, each in job.services.items()
        ),
        group=filled(job.concurrency.group, contexts, unsure).strip() if job.concurrency else None,
        max_parallel=job.strategy.max_parallel if job.strategy else None,
    )


def _decide(
    job: JobPlan, base: Contexts, unknown: set[str], any_world: _World, good_world: _World, *, certain: bool
) -> tuple[Outlook, str | None, str | None]:
    """Decide a job's condition in both worlds, and note what follows from it for the jobs after it."""
    in_any = _condition(job, base, unknown, any_world, good=False)
    in_good = _condition(job, base, unknown, good_world, good=True)
    any_holds, good_holds = _holds(in_any), _holds(in_good)
    if good_holds and not certain:
        good_holds = None
    any_world.note(job, skipped=True if any_holds is False else None)
    good_world.note(job, skipped=None if good_holds is None else not good_holds)
    if any_holds is False:
        return Outlook.SKIPPED, None, _why(job, any_world)
    if good_holds:
        return Outlook.RUNS, None, None
    if good_holds is False:
        # What is false when all goes well may hold when it doesn't.
        lost = next((need for need in job.needs if good_world.skipped[need] and good_world.well[need] is False), None)
        plain = lost is not None and job.condition == _AFTER_SUCCESS
        return Outlook.DEPENDS, f"{lost} runs" if plain else _left(in_any, job), None
    return Outlook.DEPENDS, str(job.enabled) if _holds(in_good) else _left(in_good, job), None


def _holds(node: Node | None) -> bool | None:
    return None if node is None else truth(node)


def _left(node: Node | None, job: JobPlan) -> str:
    return (job.condition if node is None else unparse(tidy(node))).removeprefix(_IMPLICIT)


def _why(job: JobPlan, world: _World) -> str:
    lost = next((need for need in job.needs if world.well[need] is False), None)
    if lost is None:
        return "its condition does not hold"
    return f"it needs {quote(lost)}, which is skipped" if world.skipped[lost] else "a job before its needs is skipped"


def _condition(job: JobPlan, base: Contexts, unknown: set[str], world: _World, *, good: bool) -> Node | None:
    """Give what is left of a condition once all that is known in a world is decided; None where that is an error."""
    success = world.before(job)
    unsure = set(unknown)
    if good and success is not None:
        functions = status_functions(success=success, failure=False, cancelled=False)
    else:
        functions = status_functions(success=False, failure=False, cancelled=False)
        unsure |= {"success", "failure", "cancelled"} - ({"success"} if success is False else set())
        if not job.needs:
            unsure.discard("failure")
        if good:
            unsure -= {"failure", "cancelled"}
    needs = _needs(job, world)
    unsure |= {f"needs.{need}" for need in job.needs if need not in needs}
    if good:
        # A job that runs well has this result; what it puts out isn't known.
        fine: dict[str, object] = {need: {"result": "success"} for need in job.needs if world.skipped[need] is False}
        unsure = {each for each in unsure if each.removeprefix("needs.") not in fine}
        unsure |= {f"needs.{need}.{part}" for need in fine for part in ("outputs", "combinations")}
        needs |= fine
    try:
        node = parse(job.condition, functions=CONDITION_FUNCTIONS)
        return simplify(node, {**base, "needs": needs}, functions, unknown=unsure, source=job.condition)
    except ExpressionError:
        return None


def _needs(job: JobPlan, world: _World) -> dict[str, object]:
    """Give those needs of which all is known: they are skipped."""
    return {need: _SKIPPED for need in job.needs if world.skipped[need] is True}


def _written(condition: str) -> str | None:
    """Give a condition as it was written, without the success() that is put before it."""
    if condition == _AFTER_SUCCESS:
        return None
    text = condition.removeprefix(_IMPLICIT)
    try:
        return unparse(parse(text, functions=CONDITION_FUNCTIONS))
    except ExpressionError:
        return text


def _flag(value: bool | str, contexts: Contexts, unknown: set[str]) -> bool | None:  # noqa: FBT001  as it is written
    if isinstance(value, bool):
        return value
    if not is_known(value, unknown):
        return None
    try:
        return truthy(evaluate_template(value, contexts))
    except ExpressionError:
        return None


def _nodes(job: JobPlan, contexts: Contexts, unknown: set[str]) -> tuple[tuple[Combined, ...], str | None, str | None]:
    """Expand a job: its nodes, or what its matrix depends on, and what is wrong with it."""
    if job.strategy is None:
        return (Combined(filled(job.label, contexts, unknown)),), None, None
    matrix = job.strategy.matrix
    depends = next(unknown_texts(matrix, unknown), None)
    if depends is not None:
        return (), depends, None
    try:
        found = expand(evaluated(matrix, contexts), most=Policy().combinations)
    except (ExpressionError, MatrixError) as error:
        return (
            (),
            None,
            one_line(f"strategy.{error}" if isinstance(error, MatrixError) else f"strategy.matrix: {error}"),
        )
    if not found:
        return (), None, "its matrix has no combinations"
    known = unknown | {"strategy"}
    return (
        tuple(
            Combined(
                one_line(filled(job.label, {**contexts, "matrix": each.values}, known), _MOST_NAME)
                if "${{" in job.label
                else combination_name(job.label, each),
                each.values,
            )
            for each in found
        ),
        None,
        None,
    )
