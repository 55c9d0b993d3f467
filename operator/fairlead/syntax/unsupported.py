"""What the model knows and the engine doesn't do yet: refused by name, never ignored.

A feature that is built takes its row out of here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.model.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fairlead.model.base import Model
    from fairlead.model.problem import Path
    from fairlead.model.spec import WorkflowSpec

_WORKFLOW = frozenset(
    {"concurrency", "timeout", "max_parallel", "fail_fast", "priority", "suspend", "ttl_after_finished"}
)
_DEFAULTS = frozenset({"continue_on_error", "retry"})
_JOB = frozenset(
    {
        "if_",
        "unless",
        "on_complete",
        "enabled",
        "check",
        "strategy",
        "services",
        "retry",
        "continue_on_error",
        "concurrency",
        "service_account_name",
        "node_selector",
        "tolerations",
        "volumes",
        "volume_mounts",
        "pod_template",
    }
)
_STEP = frozenset({"if_", "timeout", "continue_on_error"})


def check(spec: WorkflowSpec) -> Iterator[Problem]:
    """Find the fields that are set and not supported yet."""
    yield from _of(spec, _WORKFLOW, ("spec",))
    yield from _of(spec.defaults, _DEFAULTS, ("spec", "defaults"))
    for job_id, job in spec.jobs.items():
        at: Path = ("spec", "jobs", job_id)
        yield from _of(job, _JOB, at)
        for index, step in enumerate(job.steps):
            yield from _of(step, _STEP, (*at, "steps", index))


def _of(part: Model, fields: frozenset[str], at: Path) -> Iterator[Problem]:
    # A default that the API server filled in says the same as leaving the field out.
    for name, field in type(part).model_fields.items():
        if name in fields and getattr(part, name) != field.get_default():
            yield Problem((*at, str(field.alias)), "not supported yet")
