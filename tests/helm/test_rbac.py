from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.helm.rendering import Chart, Object, Objects

OPERATOR_RULES = [
    {
        "apiGroups": ["fairlead.dev"],
        "resources": ["workflows"],
        "verbs": ["create", "delete", "get", "list", "patch", "watch"],
    },
    {"apiGroups": ["fairlead.dev"], "resources": ["workflows/status"], "verbs": ["patch"]},
    {"apiGroups": ["fairlead.dev"], "resources": ["workflowtemplates"], "verbs": ["get"]},
    {
        "apiGroups": ["batch"],
        "resources": ["jobs"],
        "verbs": ["create", "delete", "get", "list", "patch", "watch"],
    },
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["delete", "list", "watch"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "list"]},
]
LEASE_RULES = [
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create", "list", "update", "watch"]}
]
OPERATOR = {"kind": "ServiceAccount", "name": "fairlead", "namespace": "fairlead-system"}
CLUSTER_WIDE = {
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "Namespace",
    "ValidatingWebhookConfiguration",
}


def aggregation(role: Object) -> set[str]:
    """Return the cluster's own roles that this one is added to."""
    prefix = "rbac.authorization.k8s.io/aggregate-to-"
    labels: dict[str, str] = role["metadata"]["labels"]
    return {label.removeprefix(prefix) for label, value in labels.items() if label.startswith(prefix) and value}


def test_the_operator_may_do_what_is_listed_and_nothing_else(default: Objects) -> None:
    """Watching the whole cluster takes one ClusterRole with exactly these rules."""
    assert default.the("ClusterRole", "fairlead")["rules"] == OPERATOR_RULES


def test_the_role_is_bound_to_the_operators_account(default: Objects) -> None:
    """The only binding in the cluster ties the operator's ClusterRole to its service account."""
    binding = default.the("ClusterRoleBinding")

    assert (binding["roleRef"], binding["subjects"]) == (
        {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "fairlead"},
        [OPERATOR],
    )
    assert default.the("ServiceAccount")["metadata"]["name"] == default.pod_spec()["serviceAccountName"]


def test_leases_are_in_the_operators_own_namespace(default: Objects) -> None:
    """Nowhere else may it touch any: they decide who works in other parts of a cluster."""
    role, binding = default.the("Role"), default.the("RoleBinding")

    assert (role["metadata"]["namespace"], role["rules"]) == ("fairlead-system", LEASE_RULES)
    assert (binding["metadata"]["namespace"], binding["roleRef"]["name"], binding["subjects"]) == (
        "fairlead-system",
        role["metadata"]["name"],
        [OPERATOR],
    )


def test_watched_namespaces_get_a_role_each(chart: Chart) -> None:
    """With watchNamespaces the same rules are given in each namespace, to the same account."""
    rendered = chart.render({"watchNamespaces": ["a", "b"]})

    roles = {role["metadata"]["namespace"]: role for role in rendered.of_kind("Role")}
    bindings = {binding["metadata"]["namespace"]: binding for binding in rendered.of_kind("RoleBinding")}
    assert {namespace: role["rules"] for namespace, role in roles.items()} == {
        "a": OPERATOR_RULES,
        "b": OPERATOR_RULES,
        "fairlead-system": LEASE_RULES,
    }
    assert {namespace: binding["subjects"] for namespace, binding in bindings.items()} == {
        "a": [OPERATOR],
        "b": [OPERATOR],
        "fairlead-system": [OPERATOR],
    }
    assert all(
        bindings[namespace]["roleRef"]
        == {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "Role",
            "name": roles[namespace]["metadata"]["name"],
        }
        for namespace in roles
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, Counter(CustomResourceDefinition=2, ValidatingWebhookConfiguration=1)),
        ({"webhook": {"enabled": False}}, Counter(CustomResourceDefinition=2)),
        ({"webhook": {"enabled": False}, "crds": {"install": False}}, Counter()),
    ],
)
def test_watched_namespaces_take_nothing_clusterwide(chart: Chart, values: Object, expected: Counter[str]) -> None:
    """With watchNamespaces only the CRDs and the webhook configuration are cluster-wide, each optional."""
    rendered = chart.render({"watchNamespaces": ["a"], **values})

    kinds = rendered.kinds()
    assert Counter({kind: kinds[kind] for kind in CLUSTER_WIDE if kinds[kind]}) == expected
    assert all("namespace" in found["metadata"] for found in rendered.all if found["kind"] not in CLUSTER_WIDE)


def test_people_get_workflows_with_the_clusters_own_roles(default: Objects) -> None:
    """Whoever may view a namespace may view workflows and templates; whoever may edit it may write all but status."""
    view, edit = default.the("ClusterRole", "fairlead-view"), default.the("ClusterRole", "fairlead-edit")

    assert (aggregation(view), view["rules"]) == (
        {"view", "edit", "admin"},
        [
            {
                "apiGroups": ["fairlead.dev"],
                "resources": ["workflows", "workflowtemplates"],
                "verbs": ["get", "list", "watch"],
            }
        ],
    )
    assert (aggregation(edit), edit["rules"]) == (
        {"edit", "admin"},
        [
            {
                "apiGroups": ["fairlead.dev"],
                "resources": ["workflows", "workflowtemplates"],
                "verbs": [
                    "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch",
                ],
            }
        ],
    )  # fmt: skip


def test_roles_for_people_can_be_left_out(chart: Chart) -> None:
    """rbac.aggregate=false leaves only the operator's own ClusterRole."""
    rendered = chart.render({"rbac": {"aggregate": False}})

    assert [role["metadata"]["name"] for role in rendered.of_kind("ClusterRole")] == ["fairlead"]


def test_roles_can_be_left_to_someone_else(chart: Chart) -> None:
    """rbac.create=false binds nothing."""
    rendered = chart.render({"rbac": {"create": False, "aggregate": False}})

    assert not {"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"} & set(rendered.kinds())


def test_a_service_account_can_be_brought_along(chart: Chart) -> None:
    """serviceAccount.create=false with a name uses that account in the Pod and in the binding."""
    rendered = chart.render({"serviceAccount": {"create": False, "name": "mine"}})

    assert not rendered.of_kind("ServiceAccount")
    assert rendered.pod_spec()["serviceAccountName"] == "mine"
    assert rendered.the("ClusterRoleBinding")["subjects"] == [{**OPERATOR, "name": "mine"}]
