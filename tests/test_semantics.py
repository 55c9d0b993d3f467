"""docs/semantics.md: its examples are valid (or wrong as it says), and leave no field out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, get_args

import pytest
from pydantic import BaseModel

from e2e.support.semantics import DOCUMENT, KIND, TEMPLATE_KIND, read_examples
from fairlead.model.crd import API_VERSION
from fairlead.model.phase import Reason
from fairlead.model.problem import InvalidWorkflowError
from fairlead.model.spec import WorkflowSpec, WorkflowTemplateSpec
from fairlead.syntax import parse_spec
from fairlead.syntax.template import parse_template_spec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e.support.semantics import Example

EXAMPLES = read_examples()
_PARSERS = {KIND: parse_spec, TEMPLATE_KIND: parse_template_spec}
_OF_KUBERNETES = {"Secret", "ConfigMap", "ServiceAccount"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_example_is_read_as_the_document_says(example: Example) -> None:
    """Every resource of an example parses; where `problems` follow, they are all there are."""
    found: list[str] = []
    for resource in example.resources:
        if resource["kind"] in _OF_KUBERNETES:
            continue
        assert resource["apiVersion"] == API_VERSION
        try:
            _PARSERS[resource["kind"]](resource["spec"])
        except InvalidWorkflowError as error:
            found += [str(problem) for problem in error.problems]
    assert found == example.expected.get("problems", [])


def test_names_are_unique_where_examples_are_applied_together() -> None:
    """Somebody who tries one example after another doesn't run into an earlier one, but for its mended twin."""
    names = [each["metadata"]["name"] for example in EXAMPLES for each in example.workflows]
    assert {name for name in names if names.count(name) > 1} <= {"expressions"}


def test_every_field_has_an_example() -> None:
    """No field of a Workflow or a WorkflowTemplate is without an example that runs."""
    shown: set[tuple[str, str]] = set()
    for example in EXAMPLES:
        for resource in example.resources:
            if resource["kind"] not in _OF_KUBERNETES and "problems" not in example.expected:
                model = WorkflowSpec if resource["kind"] == KIND else WorkflowTemplateSpec
                shown |= set(_shown(model, resource["spec"]))
    assert _fields(WorkflowSpec) | _fields(WorkflowTemplateSpec) <= shown | _inherited(shown)


def test_every_reason_is_explained() -> None:
    """A word that a status can show is in the document."""
    words = set(re.findall(r"\w+", DOCUMENT.read_text()))
    assert {str(reason) for reason in Reason} <= words


def _inherited(shown: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Give what a template has by the same class as a Workflow: an example of one is enough."""
    common = {str(field.alias) for name, field in WorkflowTemplateSpec.model_fields.items() if name != "inputs"}
    return {(WorkflowTemplateSpec.__name__, name) for _, name in shown if name in common}


def _fields(model: type[BaseModel], seen: frozenset[type[BaseModel]] = frozenset()) -> set[tuple[str, str]]:
    """Give (model, field) for a model and all that it holds."""
    found: set[tuple[str, str]] = set()
    for field in model.model_fields.values():
        found.add((model.__name__, str(field.alias)))
        for inner in _models(field.annotation):
            if inner not in seen:
                found |= _fields(inner, seen | {model})
    return found


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """Find the models that a field's type names, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for inner in get_args(annotation):
        yield from _models(inner)


def _shown(model: type[BaseModel], document: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401  a JSON document
    """Give (model, field) for what a document writes of a model."""
    if not isinstance(document, Mapping):
        return
    for field in model.model_fields.values():
        name = str(field.alias)
        if name not in document:
            continue
        yield model.__name__, name
        for inner in _models(field.annotation):
            for part in _parts(document[name]):
                yield from _shown(inner, part)


def _parts(value: Any) -> Iterator[Any]:  # noqa: ANN401  a JSON document
    """Give a value itself, and the items of a list or a map, as any of them may be the model."""
    yield value
    if isinstance(value, list):
        yield from value
    if isinstance(value, Mapping):
        yield from value.values()
