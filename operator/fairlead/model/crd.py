"""The CustomResourceDefinition, generated from the models.

Unknown fields are let through by the API server (and never pruned), because the operator reports them all at once
with what was probably meant; a schema can only drop them in silence or say no to each.
"""

from __future__ import annotations

from typing import Any

from fairlead.model.fields import ANYTHING
from fairlead.model.spec import WorkflowSpec
from fairlead.model.status import WorkflowStatus

GROUP = "fairlead.dev"
VERSION = "v1alpha1"
KIND = "Workflow"
PLURAL = "workflows"
API_VERSION = f"{GROUP}/{VERSION}"

_COLUMNS = [
    {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
    {
        "name": "Progress",
        "type": "string",
        "jsonPath": ".status.progress",
        "description": "Jobs that have ended, of all",
    },
    {"name": "Run", "type": "integer", "jsonPath": ".status.run"},
    {"name": "Duration", "type": "string", "jsonPath": ".status.duration"},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    {"name": "Message", "type": "string", "jsonPath": ".status.message"},
]
_NAME_RULE = {
    "rule": "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && self.metadata.name.size() <= 63",
    "message": "a Workflow's name is at most 63 of a-z, 0-9 and -, as it labels the Jobs that are made for it",
}
_KEPT = ("description", "type", "enum", "minimum", "maximum", "minLength", "maxLength", "format")


def workflow_crd() -> dict[str, Any]:
    """Give the CRD as the document that `kubectl apply` takes."""
    schema = {
        "type": "object",
        "description": "A graph of jobs that is run in this cluster: CI as a resource.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": _structural(WorkflowSpec.model_json_schema(by_alias=True), open_ended=True),
            "status": _structural(WorkflowStatus.model_json_schema(by_alias=True), open_ended=False),
        },
        "x-kubernetes-validations": [_NAME_RULE],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": "workflow",
                "shortNames": ["fwf"],
                "categories": ["fairlead"],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": _COLUMNS,
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


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
