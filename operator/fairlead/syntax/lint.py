"""Everything that can be said of a resource without running it: its mistakes, and what will surprise.

document ─┬─ check_resource ── what the API server would refuse
          ├─ parse_spec ────── mistakes, which keep it from running   → errors
          └─ warnings ──────── what runs and does something else      → warnings, notes
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from fairlead.expressions import ExpressionError, parse_template, references
from fairlead.model.crd import KIND
from fairlead.model.problem import InvalidWorkflowError, Problem, quote
from fairlead.model.spec import WorkflowSpec, WorkflowTemplateSpec
from fairlead.model.status_functions import STEP_CONDITION_FUNCTIONS
from fairlead.syntax.compile import compile_workflow
from fairlead.syntax.document import parse_spec
from fairlead.syntax.finding import Finding, Remark, Rule, Severity
from fairlead.syntax.places import Places, split_lines
from fairlead.syntax.resource import KINDS, check_resource
from fairlead.syntax.shape import check_shape
from fairlead.syntax.template import parse_template_spec
from fairlead.syntax.warnings.calls import calls
from fairlead.syntax.warnings.conditions import never_runs, text_as_condition
from fairlead.syntax.warnings.injection import script_injection
from fairlead.syntax.warnings.properties import unknown_properties
from fairlead.syntax.warnings.scripts import from_github, unset_outputs
from fairlead.syntax.warnings.secrets import literal_secrets
from fairlead.syntax.warnings.settings import no_health_check, useless_timeouts
from fairlead.syntax.warnings.words import yaml_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from fairlead.model.workflow import Workflow
    from fairlead.syntax.places import Span
    from fairlead.syntax.source import Document, Position

_IGNORE = re.compile(r"#\s*fairlead:\s*ignore=([\w,-]+)\s*$")
_RULES: Final = (
    (Rule.UNKNOWN_FIELD, re.compile(r"unknown field")),
    (Rule.MISSING_FIELD, re.compile(r"is missing|has no image|nothing to run|there are no jobs|is empty; give")),
    (Rule.BAD_EXPRESSION, re.compile(r"bad expression|the function \S+ works only|text around \$\{\{")),
    (Rule.CYCLE, re.compile(r"a cycle: ")),
    (Rule.UNREACHABLE_JOB, re.compile(r"unreachable: ")),
    (Rule.UNKNOWN_JOB, re.compile(r'no job "')),
    (Rule.UNKNOWN_REFERENCE, re.compile(r'"[^"]*"(?:: | stays in the cluster)|a secret or variable of the cluster')),
)
"""By how a problem begins: its message is what tells one from another."""

_AT_KEY = re.compile(
    r"unknown field|means nothing here|a variable's name|a name has letters|a job's id|names that start with"
    r"|duplicate name|duplicate id: .* differs only|there is nothing to give|write (?:needs|steps|jobs) or |is no key"
    r"|the name \"|a service's name|Matrix exclude key|\"[^\"]*\" is the same key"
)
_QUOTED = re.compile(r'"([^"]*)"')


def lint(document: Document, text: str, templates: Mapping[str, Document] | None = None) -> list[Finding]:
    """Give all that is to be said of a Workflow or WorkflowTemplate, in the order of the text.

    `text` is that of the whole file; `templates` are those that may be called, by name.
    """
    places = Places(document, split_lines(text))
    resource = document.value
    if not isinstance(resource, dict):
        position, length = places.value(())
        return [Finding(position, length, Severity.ERROR, Rule.RESOURCE, "a resource is a map (KEY: VALUE)")]
    found = [_finding(remark, places) for remark in _remarks(resource, places, templates or {})]
    found += [_duplicate(path, position, places) for path, position in document.duplicates]
    return sorted(_without_ignored(_once(found), places), key=_order)


def problem_findings(
    problems: Iterable[Problem], document: Document, text: str, rule: Rule | None = None
) -> list[Finding]:
    """Give problems, whose paths begin at the resource, the places where they were written."""
    places = Places(document, split_lines(text))
    found = (_of_problem(problem, places) for problem in problems)
    return sorted((replace(each, rule=rule) if rule else each for each in found), key=_order)


def _order(finding: Finding) -> tuple[Position, Severity, Rule]:
    return finding.position, finding.severity, finding.rule


def _once(found: Sequence[Finding]) -> list[Finding]:
    return list(dict.fromkeys(found))


def _remarks(
    resource: Mapping[str, Any], places: Places, templates: Mapping[str, Document]
) -> Iterator[Remark | Problem]:
    yield from check_resource(resource)
    yield from literal_secrets(resource)
    document = resource.get("spec")
    if resource.get("kind") not in KINDS or not isinstance(document, dict):
        return
    yield from yaml_words(places)
    jobs = document.get("jobs")
    jobs = jobs if isinstance(jobs, dict) else {}
    specs = {name: spec for name, each in templates.items() if isinstance(spec := _spec(each), dict)}
    yield from calls(document, jobs, specs)
    yield from text_as_condition(document, jobs)
    yield from script_injection(document, jobs)
    yield from from_github(document, jobs)
    yield from unset_outputs(document, jobs)
    yield from unknown_properties(resource, jobs, specs)
    is_workflow = resource["kind"] == KIND
    try:
        workflow = parse_spec(document) if is_workflow else _of_template(document)
    except InvalidWorkflowError as error:
        yield from error.problems
        workflow = None
    if workflow is not None:
        yield from never_runs(workflow, document)
        spec, _ = check_shape(document, WorkflowSpec) if is_workflow else check_shape(document, WorkflowTemplateSpec)
        if spec is not None:
            yield from no_health_check(spec, document)
            yield from useless_timeouts(spec, document)


def _spec(document: Document) -> object:
    return document.value.get("spec") if isinstance(document.value, dict) else None


def _of_template(document: Mapping[str, Any]) -> Workflow:
    """Compile a template's jobs as they stand; its inputs have no values yet."""
    spec = parse_template_spec(document)
    return compile_workflow(WorkflowSpec.model_construct(**{**dict(spec), "inputs": {}}))


# Places


def _finding(remark: Remark | Problem, places: Places) -> Finding:
    if isinstance(remark, Problem):
        return _of_problem(remark, places)
    position, length = _span(remark, places)
    said, meant = remark.message, remark.suggestion
    return Finding(position, length, remark.severity, remark.rule, said, meant, remark.path, secret=remark.secret)


def _span(remark: Remark, places: Places) -> Span:
    if remark.span is not None:
        return places.inside(remark.path, *remark.span)
    return places.key(remark.path) if remark.at_key else places.value(remark.path)


def _of_problem(problem: Problem, places: Places) -> Finding:
    rule = _rule(problem)
    at_key = _AT_KEY.match(problem.message) is not None
    inside = _in_text(problem, rule, places)
    if inside is not None:
        position, length = places.inside(problem.path, *inside)
    else:
        position, length = places.key(problem.path) if at_key else places.value(problem.path)
    return Finding(position, length, Severity.ERROR, rule, problem.message, problem.suggestion, problem.path)


def _rule(problem: Problem) -> Rule:
    found = next((rule for rule, pattern in _RULES if pattern.match(problem.message)), None)
    if found is not None:
        return found
    return Rule.INVALID_VALUE if problem.path[:1] == ("spec",) else Rule.RESOURCE


def _in_text(problem: Problem, rule: Rule, places: Places) -> tuple[int, int] | None:
    """Find the characters of a text that a problem with an expression is about."""
    text = places.value_at(problem.path)
    if not isinstance(text, str):
        return None
    if rule is Rule.UNKNOWN_REFERENCE and (quoted := _QUOTED.match(problem.message)):
        return _reference(text, quoted[1])
    if rule is Rule.BAD_EXPRESSION:
        return _mistake(text)
    return None


def _reference(text: str, shown: str) -> tuple[int, int] | None:
    try:
        subject = parse_template(text if "${{" in text else f"${{{{{text}}}}}", functions=STEP_CONDITION_FUNCTIONS)
    except ExpressionError:
        return None
    shift = 0 if "${{" in text else len("${{")
    found = (each for each in references(subject) if quote(".".join(each.path), 120)[1:-1] == shown)
    first = next(found, None)
    return None if first is None else (first.position - shift, len(shown))


def _mistake(text: str) -> tuple[int, int] | None:
    """Parse a text again, to find where it stops making sense."""
    whole = "${{" in text
    try:
        parse_template(text if whole else f"${{{{{text}}}}}", functions=STEP_CONDITION_FUNCTIONS)
    except ExpressionError as error:
        offset = error.position - (0 if whole else len("${{"))
        return max(0, offset), len(error.symbol or "") or 1
    return None


def _duplicate(path: tuple[str | int, ...], position: Position, places: Places) -> Finding:
    said = f"{quote(str(path[-1]))} stands twice in this map, and only the last one would count; leave one out"
    rest = places.rest(position)
    length = len(str(path[-1])) if rest.startswith(str(path[-1])) else 1
    return Finding(position, length, Severity.ERROR, Rule.DUPLICATE_KEY, said, None, path)


# What was ignored


def _without_ignored(found: list[Finding], places: Places) -> Iterator[Finding]:
    """Leave out the warnings that a comment answers, at the end of their line or of their key's."""
    ignored: dict[int, set[str]] = {}
    for number, line in enumerate(places.lines, 1):
        comment = _IGNORE.search(line) if "fairlead:" in line else None
        if comment is not None:
            ignored[number] = set(comment[1].split(","))
    for finding in found:
        lines = {finding.position.line, places.key(finding.path)[0].line if finding.path else 0}
        answered = any(finding.rule in ignored.get(line, ()) for line in lines)
        if finding.severity is Severity.ERROR or not answered:
            yield finding
