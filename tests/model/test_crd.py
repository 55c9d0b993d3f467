from __future__ import annotations

import re
import types
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel

from fairlead.model.crd import crds, template_crd, workflow_crd
from fairlead.model.spec import WorkflowSpec, WorkflowTemplateSpec
from fairlead.model.status import WorkflowStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[2]
TOP = {"apiVersion", "kind", "metadata"}
MODELS: dict[str, dict[str, type[BaseModel]]] = {
    "workflows": {".spec": WorkflowSpec, ".status": WorkflowStatus},
    "workflowtemplates": {".spec": WorkflowTemplateSpec},
}


def version_of(crd: Mapping[str, Any]) -> dict[str, Any]:
    """Give the only version of a CRD."""
    version: dict[str, Any]
    (version,) = crd["spec"]["versions"]
    return version


def schema_of(crd: Mapping[str, Any]) -> dict[str, Any]:
    """Give the schema of a CRD."""
    schema: dict[str, Any] = version_of(crd)["schema"]["openAPIV3Schema"]
    return schema


SCHEMAS = {plural: schema_of(crd) for plural, crd in crds().items()}
of_each = pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)


def nodes(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Walk a schema."""
    yield path, schema
    for name, each in schema.get("properties", {}).items():
        yield from nodes(each, f"{path}.{name}")
    for inner in ("items", "additionalProperties"):
        if inner in schema:
            yield from nodes(schema[inner], f"{path}[]")


def models(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401  annotations have no common type
    """Find the models in a field's type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Annotated, Union, types.UnionType, dict, tuple):
        for each in get_args(annotation):
            yield from models(each)


def fields_of(model: type[BaseModel], path: str, schema: Mapping[str, Any]) -> Iterator[str]:
    """Walk the fields of a model that a typed schema shows."""
    for name, field in model.model_fields.items():
        at = f"{path}.{field.alias or name}"
        yield at
        for inner in models(field.annotation):
            many = "[]" if get_origin(_bare(field.annotation)) in (dict, tuple) else ""
            if any(found.startswith(f"{at}{many}.") for found, _ in nodes(schema)):
                yield from fields_of(inner, f"{at}{many}", schema)


def _bare(annotation: Any) -> Any:  # noqa: ANN401  as above
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def test_generated_files() -> None:
    """The files in crds/ are what the model says; `make generate` brings them up to date."""
    assert {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / "crds").iterdir()} == crds()


@of_each
def test_structural(schema: Mapping[str, Any]) -> None:
    """The API server takes the schema: no references, no unions, no nulls, no closed objects, a type or any value."""
    wrong = [
        (path, key)
        for path, node in nodes(schema)
        for key in node
        if key in {"$ref", "$defs", "anyOf", "oneOf", "allOf", "title", "const"}
        or (key == "type" and node[key] not in {"object", "array", "string", "integer", "number", "boolean"})
        or (key == "additionalProperties" and not isinstance(node[key], dict))
        or (key == "properties" and "additionalProperties" in node)
    ]
    untyped = [
        path
        for path, node in nodes(schema)
        if "type" not in node
        and not node.get("x-kubernetes-preserve-unknown-fields")
        and not node.get("x-kubernetes-int-or-string")
    ]
    assert (wrong, untyped) == ([], [])


@of_each
def test_described(schema: Mapping[str, Any]) -> None:
    """`kubectl explain` has something to say of every field."""
    silent = [
        f"{path}.{name}"
        for path, node in nodes(schema)
        for name, each in node.get("properties", {}).items()
        if not each.get("description") and not (path == "" and name in TOP)
    ]
    assert silent == []


@pytest.mark.parametrize("plural", SCHEMAS)
def test_whole(plural: str) -> None:
    """Every field of the models is in the schema, and the schema has nothing else."""
    schema, parts = SCHEMAS[plural], MODELS[plural]
    known = {field for path, model in parts.items() for field in fields_of(model, path, schema)}
    shown = {path for path, _ in nodes(schema) if path and not path.endswith("[]")}
    assert shown - {f".{name}" for name in TOP} == known | set(parts)


@of_each
def test_lets_unknown_fields_through(schema: Mapping[str, Any]) -> None:
    """Nothing unknown in a spec is dropped in silence: it reaches the operator, which reports it."""
    closed = [
        path
        for path, node in nodes(schema["properties"]["spec"], ".spec")
        if "properties" in node and not node.get("x-kubernetes-preserve-unknown-fields")
    ]
    assert closed == []


def test_status_is_left_as_written() -> None:
    """No default is filled into a status: the operator would see what it didn't write."""
    assert [path for path, node in nodes(SCHEMAS["workflows"]["properties"]["status"]) if "default" in node] == []


def test_columns() -> None:
    """`kubectl get` shows where a workflow stands, and each column's field exists."""
    columns = {each["name"]: each["jsonPath"] for each in version_of(workflow_crd())["additionalPrinterColumns"]}
    paths = {path for path, _ in nodes(SCHEMAS["workflows"])}
    assert columns == {
        "Phase": ".status.phase",
        "Progress": ".status.progress",
        "Run": ".status.run",
        "Duration": ".status.duration",
        "Age": ".metadata.creationTimestamp",
        "Message": ".status.message",
    }
    assert {path for path in columns.values() if path.startswith(".status")} <= paths


def rules_of(schema: Mapping[str, Any]) -> dict[str, list[str]]:
    """Give the CEL rules by their places."""
    return {
        path: [rule["rule"] for rule in node["x-kubernetes-validations"]]
        for path, node in nodes(schema)
        if "x-kubernetes-validations" in node
    }


def test_rules() -> None:
    """What a schema can say is said there: names, and what excludes each other."""
    of_jobs = {".spec.jobs[]": ["!(has(self.steps) && has(self.commands))"]}
    of_names = "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && self.metadata.name.size() <= 63"
    assert {plural: rules_of(schema) for plural, schema in SCHEMAS.items()} == {
        "workflows": {"": [of_names], **of_jobs},
        "workflowtemplates": of_jobs,
    }


@of_each
def test_rules_can_be_compiled(schema: Mapping[str, Any]) -> None:
    """A rule sees only fields that have a type; the API server refuses a CRD in which one names another."""
    typed = {path: set(node.get("properties", {})) for path, node in nodes(schema)}
    untyped = {path for path, node in nodes(schema) if "type" not in node}
    named = [
        (path, name)
        for path, rules in rules_of(schema).items()
        if path
        for rule in rules
        for name in re.findall(r"self\.(\w+)", rule)
    ]
    assert [(path, name) for path, name in named if name not in typed[path] or f"{path}.{name}" in untyped] == []


def names_of(kind: str, short_name: str) -> dict[str, object]:
    """Give the names that a kind is found by."""
    return {
        "kind": kind,
        "listKind": f"{kind}List",
        "plural": f"{kind.lower()}s",
        "singular": kind.lower(),
        "shortNames": [short_name],
        "categories": ["fairlead"],
    }


def test_names() -> None:
    """The resources are found under all their names; a Workflow has a status of its own to write, a template none."""
    found = [
        (crd["metadata"]["name"], crd["spec"]["names"], crd["spec"]["scope"], version_of(crd).get("subresources"))
        for crd in (workflow_crd(), template_crd())
    ]
    assert found == [
        ("workflows.fairlead.dev", names_of("Workflow", "fwf"), "Namespaced", {"status": {}}),
        ("workflowtemplates.fairlead.dev", names_of("WorkflowTemplate", "fwft"), "Namespaced", None),
    ]
