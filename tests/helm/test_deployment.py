from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.helm.rendering import Chart, Objects

WEBHOOK_ARGUMENTS = [
    "--webhook-port=9443",
    "--webhook-certificate=/var/run/fairlead/tls/tls.crt",
    "--webhook-key=/var/run/fairlead/tls/tls.key",
]
POD_NAME = {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
ARGUMENTS = [
    "operator",
    "--agent-image=fairlead/fairlead:0.1.0",
    "--http-address=0.0.0.0:8080",
    "--lease-namespace=fairlead-system",
    "--lease-name=fairlead",
    "--identity=$(POD_NAME)",
    "--shards=1",
    "--log-format=json",
    "--log-level=info",
    "--max-unstarted-jobs=20",
]


def test_the_pod_meets_the_restricted_standard(default: Objects) -> None:
    """What the pod security standard "restricted" asks for is set, and a read-only root besides."""
    pod = default.pod_spec()

    assert pod["securityContext"] == {
        "fsGroup": 65532,
        "runAsGroup": 65532,
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert default.container()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(pod)
    assert {kind for volume in pod["volumes"] for kind in volume} == {"name", "emptyDir", "secret"}


def test_the_operator_is_told_where_to_serve(default: Objects) -> None:
    """By default the operator serves its probes and admission, and watches the whole cluster."""
    container = default.container()

    assert container["args"] == [*ARGUMENTS, *WEBHOOK_ARGUMENTS]
    assert {port["name"]: port["containerPort"] for port in container["ports"]} == {
        "http": 8080,
        "webhook": 9443,
    }
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp", "/var/run/fairlead/tls"]  # noqa: S108 - the Pod's


def test_without_admission_nothing_of_it_is_left(chart: Chart) -> None:
    """webhook.enabled=false drops arguments, port, volume, Secret and configuration."""
    rendered = chart.render({"webhook": {"enabled": False}})

    container = rendered.container()
    assert container["args"] == ARGUMENTS
    assert [port["name"] for port in container["ports"]] == ["http"]
    assert [volume["name"] for volume in rendered.pod_spec()["volumes"]] == ["tmp"]
    assert [port["port"] for port in rendered.the("Service")["spec"]["ports"]] == [8080]
    assert not {"Secret", "ValidatingWebhookConfiguration"} & set(rendered.kinds())


def test_each_watched_namespace_is_an_argument(chart: Chart) -> None:
    """WatchNamespaces and extraArgs become arguments, in their order."""
    rendered = chart.render({"watchNamespaces": ["b", "a"], "webhook": {"enabled": False}, "extraArgs": ["--verbose"]})

    assert rendered.container()["args"] == [*ARGUMENTS, "--namespace=b", "--namespace=a", "--verbose"]


def test_the_probes_ask_the_operator(default: Objects) -> None:
    """Alive is /healthz, ready is /readyz, and a slow start is not killed for a minute."""
    container = default.container()

    assert {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")} == {
        "startupProbe": {"path": "/healthz", "port": "http"},
        "livenessProbe": {"path": "/healthz", "port": "http"},
        "readinessProbe": {"path": "/readyz", "port": "http"},
    }
    assert container["startupProbe"]["periodSeconds"] * container["startupProbe"]["failureThreshold"] == 60


def test_a_new_replica_is_ready_before_an_old_one_goes(default: Objects) -> None:
    """An upgrade leaves no moment without an operator."""
    spec = default.the("Deployment")["spec"]

    assert (spec["replicas"], spec["strategy"]) == (
        2,
        {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
    )


def test_replicas_are_told_apart_by_their_pods(default: Objects) -> None:
    """The name that stands in the Lease is the Pod's."""
    assert default.container()["env"] == [POD_NAME]


def test_replicas_keep_apart(chart: Chart) -> None:
    """Different nodes where there are such, and one at a time in a drain; a single replica needs neither."""
    (several, one, bare) = (
        chart.render(values) for values in ({}, {"replicas": 1}, {"podDisruptionBudget": {"enabled": False}})
    )

    labels = several.the("Deployment")["spec"]["selector"]
    budget = several.the("PodDisruptionBudget")["spec"]
    (term,) = several.pod_spec()["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert (term["podAffinityTerm"], budget["maxUnavailable"], budget["selector"]) == (
        {"topologyKey": "kubernetes.io/hostname", "labelSelector": labels},
        1,
        labels,
    )
    assert ("affinity" in one.pod_spec(), one.kinds()["PodDisruptionBudget"]) == (False, 0)
    assert bare.kinds()["PodDisruptionBudget"] == 0


def test_shards_are_an_argument(chart: Chart) -> None:
    """As many as are wanted."""
    assert "--shards=4" in chart.render({"shards": 4}).container()["args"]


def test_selectors_find_the_pod(chart: Chart) -> None:
    """Deployment, Service, ServiceMonitor and NetworkPolicy select what exists, down to the ports."""
    rendered = chart.render({"networkPolicy": {"enabled": True}, "metrics": {"serviceMonitor": {"enabled": True}}})

    pod = rendered.the("Deployment")["spec"]["template"]["metadata"]["labels"].items()
    service = rendered.the("Service")
    policy = rendered.the("NetworkPolicy")["spec"]
    monitor = rendered.the("ServiceMonitor")["spec"]
    assert rendered.the("Deployment")["spec"]["selector"]["matchLabels"].items() <= pod
    assert service["spec"]["selector"].items() <= pod
    assert policy["podSelector"]["matchLabels"].items() <= pod
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    container_ports = {port["name"] for port in rendered.container()["ports"]}
    service_ports = {port["name"] for port in service["spec"]["ports"]}
    assert {port["targetPort"] for port in service["spec"]["ports"]} == container_ports
    assert {port["port"] for rule in policy["ingress"] for port in rule["ports"]} == container_ports
    assert {endpoint["port"] for endpoint in monitor["endpoints"]} <= service_ports


def test_the_image_is_the_charts_own_version_unless_told(chart: Chart, default: Objects) -> None:
    """The tag defaults to the appVersion; a digest is appended to it."""
    pinned = chart.render({"image": {"repository": "mine/fairlead", "tag": "x", "digest": f"sha256:{'0' * 64}"}})

    assert default.container()["image"] == "fairlead/fairlead:0.1.0"
    assert pinned.container()["image"] == f"mine/fairlead:x@sha256:{'0' * 64}"


def test_scheduling_values_reach_the_pod(chart: Chart) -> None:
    """What a platform team sets about the Pod is found in the Pod, as it was written."""
    scheduling = {
        "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
        "imagePullSecrets": [{"name": "pull"}],
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "priorityClassName": "system-cluster-critical",
        "tolerations": [{"key": "ci", "operator": "Exists", "effect": "NoSchedule"}],
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
    }
    variables = [{"name": "TZ", "value": "UTC"}]
    rendered = chart.render(
        {**scheduling, "extraEnv": variables, "podLabels": {"team": "ci"}, "podAnnotations": {"note": "x"}}
    )

    pod = rendered.pod_spec()
    metadata = rendered.the("Deployment")["spec"]["template"]["metadata"]
    assert {key: pod[key] for key in scheduling} == scheduling
    assert rendered.container()["env"] == [POD_NAME, *variables]
    assert (metadata["labels"]["team"], metadata["annotations"]["note"]) == ("ci", "x")


def test_a_default_can_be_removed(chart: Chart) -> None:
    """Null takes a default away, as OpenShift needs it for the user id."""
    rendered = chart.render({"podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None}})

    assert rendered.pod_spec()["securityContext"] == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def test_a_network_policy_lets_in_only_whom_it_names(chart: Chart) -> None:
    """MetricsFrom narrows the metrics port only; egress stays open unless rules are given."""
    peers = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    rendered = chart.render({"networkPolicy": {"enabled": True, "metricsFrom": peers}})

    policy = rendered.the("NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress"]
    assert policy["ingress"] == [
        {"ports": [{"port": "http", "protocol": "TCP"}], "from": peers},
        {"ports": [{"port": "webhook", "protocol": "TCP"}]},
    ]


def test_limits_are_arguments(chart: Chart) -> None:
    """Only those that are set, but for the one that there always is."""
    limits = {"workflows": 8, "jobsPerNamespace": 20, "unstartedJobs": 0}

    arguments = chart.render({"limits": limits}).container()["args"]

    assert [each for each in arguments if each.startswith("--max")] == [
        "--max-workflows=8",
        "--max-jobs-per-namespace=20",
        "--max-unstarted-jobs=0",
    ]
