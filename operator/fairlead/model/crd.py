"""The CustomResourceDefinitions, generated from the models.

Unknown fields are let through by the API server (and never pruned), because the operator reports them all at once
with what was probably meant; a schema can only drop them in silence or say no to each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fairlead.model.fields import ANYTHING
from fairlead.model.spec import WorkflowSpec, WorkflowTemplateSpec
from fairlead.model.status import WorkflowStatus

if TYPE_CHECKING:
    from pydantic import BaseModel

GROUP = "fairlead.dev"
VERSION = "v1alpha1"
KIND = "Workflow"
PLURAL = "workflows"
TEMPLATE_KIND = "WorkflowTemplate"
TEMPLATE_PLURAL = "workflowtemplates"
API_VERSION = f"{GROUP}/{VERSION}"

_AGE = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}
_COLUMNS = (
    {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
    {
        "name": "Progress",
        "type": "string",
        "jsonPath": ".status.progress",
        "description": "Jobs that have ended, of all",
    },
    {"name": "Run", "type": "integer", "jsonPath": ".status.run"},
    {"name": "Duration", "type": "string", "jsonPath": ".status.duration"},
    _AGE,
    {"name": "Message", "type": "string", "jsonPath": ".status.message"},
)
_NAME_RULE = {
    "rule": "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && self.metadata.name.size() <= 63",
    "message": "a Workflow's name is at most 63 of a-z, 0-9 and -, as it labels the Jobs that are made for it",
}
_KEPT = ("description", "type", "enum", "minimum", "maximum", "minLength", "maxLength", "format")


@dataclass(frozen=True, slots=True)
class _Kind:
    kind: str
    plural: str
    short_name: str
    description: str
    spec: type[BaseModel]
    status: type[BaseModel] | None
    columns: tuple[dict[str, str], ...]
    rules: tuple[dict[str, str], ...] = ()


_WORKFLOW = _Kind(
    KIND,
    PLURAL,
    "fwf",
    "A graph of jobs that is run in this cluster: CI as a resource.",
    WorkflowSpec,
    WorkflowStatus,
    _COLUMNS,
    (_NAME_RULE,),
)
_TEMPLATE = _Kind(
    TEMPLATE_KIND,
    TEMPLATE_PLURAL,
    "fwft",
    "A workflow that jobs and other workflows of its namespace call, with inputs. It runs only when called.",
    WorkflowTemplateSpec,
    None,
    (_AGE,),
)


def crds() -> dict[str, dict[str, Any]]:
    """Give all of them by their plural names."""
    return {PLURAL: workflow_crd(), TEMPLATE_PLURAL: template_crd()}


def workflow_crd() -> dict[str, Any]:
    """Give the CRD of Workflows as the document that `kubectl apply` takes."""
    return _crd(_WORKFLOW)


def template_crd() -> dict[str, Any]:
    """Give the CRD of WorkflowTemplates as the document that `kubectl apply` takes."""
    return _crd(_TEMPLATE)


def _crd(kind: _Kind) -> dict[str, Any]:
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": list(kind.columns),
        "schema": {"openAPIV3Schema": _schema(kind)},
    }
    if kind.status is not None:
        version["subresources"] = {"status": {}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.kind.lower(),
                "shortNames": [kind.short_name],
                "categories": ["fairlead"],
            },
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def _schema(kind: _Kind) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": "object",
        "description": kind.description,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": _structural(kind.spec.model_json_schema(by_alias=True), open_ended=True),
        },
    }
    if kind.status is not None:
        status = _structural(kind.status.model_json_schema(by_alias=True), open_ended=False)
        # It has one writer. Otherwise the server would keep the name of each of its fields in metadata.managedFields.
        schema["properties"]["status"] = {**status, "x-kubernetes-map-type": "atomic"}
    if kind.rules:
        schema["x-kubernetes-validations"] = list(kind.rules)
    return schema


def _structural(schema: dict[str, Any], *, open_ended: bool) -> dict[str, Any]:
    """Turn pydantic's JSON schema into the structural subset that a CRD takes."""
    definitions = schema.get("$defs", {})

    def convert(node: dict[str, Any]) -> dict[str, Any]:
        if "$ref" in node:
            target = definitions[node["$ref"].rsplit("/", 1)[1]]
            return convert({**target, **{key: value for key, value in node.items() if key != "$ref"}})
        if "anyOf" in node:
            (only,) = [each for each in node["anyOf"] if each != {"type": "null"}]
            return convert({**only, **{key: value for key, value in node.items() if key != "anyOf"}})
        made = {key: node[key] for key in _KEPT if key in node}
        made |= {key: value for key, value in node.items() if key.startswith("x-kubernetes-")}
        # In the status they would be filled in where the operator left them out: neither wanted it nor wrote it.
        if open_ended and "type" in node and isinstance(node.get("default"), bool | int | float | str):
            made["default"] = node["default"]
        if "const" in node:
            made["enum"] = [node["const"]]
        if "items" in node:
            made["items"] = convert(node["items"])
        if isinstance(node.get("additionalProperties"), dict):
            made["additionalProperties"] = convert(node["additionalProperties"])
            made |= {key: node[key] for key in ("minProperties", "maxProperties") if key in node}
        elif isinstance(node.get("patternProperties"), dict):
            (each,) = node["patternProperties"].values()
            made["additionalProperties"] = convert(each)
        if "properties" in node:
            made["properties"] = {name: convert(each) for name, each in node["properties"].items()}
            made |= {"required": node["required"]} if "required" in node else {}
            made |= ANYTHING if open_ended else {}
        return made

    return convert(schema)
