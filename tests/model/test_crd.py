from __future__ import annotations

import types
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel

from fairlead.model.crd import workflow_crd
from fairlead.model.spec import WorkflowSpec
from fairlead.model.status import WorkflowStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[2]
CRD = workflow_crd()
VERSION = CRD["spec"]["versions"][0]
SCHEMA = VERSION["schema"]["openAPIV3Schema"]
TOP = {"apiVersion", "kind", "metadata"}


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


def fields_of(model: type[BaseModel], path: str) -> Iterator[str]:
    """Walk the fields of a model that a typed schema shows."""
    for name, field in model.model_fields.items():
        at = f"{path}.{field.alias or name}"
        yield at
        for inner in models(field.annotation):
            many = "[]" if get_origin(_bare(field.annotation)) in (dict, tuple) else ""
            if any(found.startswith(f"{at}{many}.") for found, _ in nodes(SCHEMA)):
                yield from fields_of(inner, f"{at}{many}")


def _bare(annotation: Any) -> Any:  # noqa: ANN401  as above
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def test_generated_file() -> None:
    """crds/workflows.yaml is what the model says; `make generate` brings it up to date."""
    assert yaml.safe_load((ROOT / "crds" / "workflows.yaml").read_text()) == CRD


def test_structural() -> None:
    """The API server takes the schema: no references, no unions, no nulls, no closed objects, a type or any value."""
    wrong = [
        (path, key)
        for path, node in nodes(SCHEMA)
        for key in node
        if key in {"$ref", "$defs", "anyOf", "oneOf", "allOf", "title", "const"}
        or (key == "type" and node[key] not in {"object", "array", "string", "integer", "number", "boolean"})
        or (key == "additionalProperties" and not isinstance(node[key], dict))
        or (key == "properties" and "additionalProperties" in node)
    ]
    untyped = [
        path
        for path, node in nodes(SCHEMA)
        if "type" not in node
        and not node.get("x-kubernetes-preserve-unknown-fields")
        and not node.get("x-kubernetes-int-or-string")
    ]
    assert (wrong, untyped) == ([], [])


def test_described() -> None:
    """`kubectl explain` has something to say of every field."""
    silent = [
        f"{path}.{name}"
        for path, node in nodes(SCHEMA)
        for name, each in node.get("properties", {}).items()
        if not each.get("description") and not (path == "" and name in TOP)
    ]
    assert silent == []


def test_whole() -> None:
    """Every field of the models is in the schema, and the schema has nothing else."""
    known = {*fields_of(WorkflowSpec, ".spec"), *fields_of(WorkflowStatus, ".status")}
    shown = {path for path, _ in nodes(SCHEMA) if path and not path.endswith("[]")}
    assert shown - {f".{name}" for name in TOP} == known | {".spec", ".status"}


def test_lets_unknown_fields_through() -> None:
    """Nothing unknown in a spec is dropped in silence: it reaches the operator, which reports it."""
    closed = [
        path
        for path, node in nodes(SCHEMA["properties"]["spec"], ".spec")
        if "properties" in node and not node.get("x-kubernetes-preserve-unknown-fields")
    ]
    assert closed == []


def test_status_is_left_as_written() -> None:
    """No default is filled into a status: the operator would see what it didn't write."""
    assert [path for path, node in nodes(SCHEMA["properties"]["status"]) if "default" in node] == []


def test_columns() -> None:
    """`kubectl get` shows where a workflow stands, and each column's field exists."""
    columns = {each["name"]: each["jsonPath"] for each in VERSION["additionalPrinterColumns"]}
    paths = {path for path, _ in nodes(SCHEMA)}
    assert columns == {
        "Phase": ".status.phase",
        "Progress": ".status.progress",
        "Run": ".status.run",
        "Duration": ".status.duration",
        "Age": ".metadata.creationTimestamp",
        "Message": ".status.message",
    }
    assert {path for path in columns.values() if path.startswith(".status")} <= paths


def test_rules() -> None:
    """What a schema can say is said there: names, and what excludes each other."""
    rules = {
        path: [rule["rule"] for rule in node["x-kubernetes-validations"]]
        for path, node in nodes(SCHEMA)
        if "x-kubernetes-validations" in node
    }
    assert rules == {
        "": [
            "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && self.metadata.name.size() <= 63",
        ],
        ".spec.jobs[]": [
            "!(has(self.steps) && has(self.commands))",
            "!has(self.check) || !(has(self.steps) || has(self.commands))",
        ],
    }


def test_names() -> None:
    """The resource is found under all its names, and has a status of its own to write."""
    assert (CRD["metadata"]["name"], CRD["spec"]["names"], CRD["spec"]["scope"], VERSION["subresources"]) == (
        "workflows.fairlead.dev",
        {
            "kind": "Workflow",
            "listKind": "WorkflowList",
            "plural": "workflows",
            "singular": "workflow",
            "shortNames": ["fwf"],
            "categories": ["fairlead"],
        },
        "Namespaced",
        {"status": {}},
    )
