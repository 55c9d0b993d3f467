from __future__ import annotations

import base64
import ssl
from typing import TYPE_CHECKING

import pytest

from tests.helm.rendering import RefusedError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helm.rendering import Chart, Object, Objects

HOST = "fairlead.fairlead-system.svc"
CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
CHECKSUM = "checksum/webhook-certificate"


def webhook(rendered: Objects) -> Object:
    """Return the only webhook of the configuration."""
    found: Object
    (found,) = rendered.the("ValidatingWebhookConfiguration")["webhooks"]
    return found


def pod_annotations(rendered: Objects) -> dict[str, str]:
    """Return the annotations of the operator's Pod."""
    annotations: dict[str, str] = rendered.the("Deployment")["spec"]["template"]["metadata"]["annotations"]
    return annotations


def secret_of_the_pod(rendered: Objects) -> str:
    """Return the name of the Secret that the Pod mounts."""
    (name,) = (volume["secret"]["secretName"] for volume in rendered.pod_spec()["volumes"] if "secret" in volume)
    return str(name)


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> None:
    """Let the two shake hands in memory. Raises ssl.SSLError when the client doesn't trust the server."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname=host)
    there = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (here, there):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert here.version() is not None


def test_the_webhook_checks_workflows_and_templates_and_lets_them_in_when_nobody_answers(default: Objects) -> None:
    """The whole webhook, by value; only the certificate is another one each time."""
    found = webhook(default)
    del found["clientConfig"]["caBundle"]

    assert found == {
        "name": "workflows.fairlead.dev",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {
            "service": {
                "name": "fairlead",
                "namespace": "fairlead-system",
                "path": "/validate",
                "port": 443,
            }
        },
        "failurePolicy": "Ignore",
        "matchPolicy": "Equivalent",
        "namespaceSelector": {
            "matchExpressions": [{"key": "fairlead.dev/admission", "operator": "NotIn", "values": ["disabled"]}]
        },
        "rules": [
            {
                "apiGroups": ["fairlead.dev"],
                "apiVersions": ["v1alpha1"],
                "operations": ["CREATE", "UPDATE"],
                "resources": ["workflows", "workflowtemplates"],
                "scope": "Namespaced",
            }
        ],
        "sideEffects": "None",
        "timeoutSeconds": 5,
    }


def test_the_charts_certificate_is_one_that_the_api_server_trusts(chart: Chart, tmp_path: Path) -> None:
    """The Secret's certificate proves the Service's name to a client that has the webhook's caBundle."""
    rendered = chart.render()
    secret = rendered.the("Secret")
    files = {name: tmp_path / name for name in ("ca.crt", "tls.crt", "tls.key")}
    for name, path in files.items():
        path.write_bytes(base64.b64decode(secret["data"][name]))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files["tls.crt"], files["tls.key"])
    bundle = base64.b64decode(webhook(rendered)["clientConfig"]["caBundle"]).decode()
    client = ssl.create_default_context(cadata=bundle)

    handshake(server, client, HOST)

    assert secret["type"] == "kubernetes.io/tls"
    assert secret["metadata"]["name"] == secret_of_the_pod(rendered)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, client, "another.fairlead-system.svc")


def test_another_certificate_rolls_the_pod(chart: Chart) -> None:
    """The Pod's checksum follows the certificate."""
    first, second = chart.render(), chart.render()

    assert first.the("Secret")["data"] != second.the("Secret")["data"]
    assert pod_annotations(first)[CHECKSUM] != pod_annotations(second)[CHECKSUM]


def test_cert_manager_makes_and_injects_the_certificate(chart: Chart) -> None:
    """Certificate, Secret and the annotation for the CA injector fit together."""
    rendered = chart.render({"webhook": {"certificate": {"source": "certManager"}}})

    certificate, issuer = rendered.the("Certificate"), rendered.the("Issuer")
    configuration = rendered.the("ValidatingWebhookConfiguration")
    assert certificate["spec"] == {
        "secretName": secret_of_the_pod(rendered),
        "duration": "87600h",
        "commonName": "fairlead-webhook",
        "dnsNames": [HOST],
        "usages": ["digital signature", "key encipherment", "server auth"],
        "issuerRef": {
            "group": "cert-manager.io",
            "kind": "Issuer",
            "name": issuer["metadata"]["name"],
        },
    }
    assert issuer["spec"] == {"selfSigned": {}}
    assert configuration["metadata"]["annotations"] == {
        "cert-manager.io/inject-ca-from": f"fairlead-system/{certificate['metadata']['name']}"
    }
    assert "caBundle" not in webhook(rendered)["clientConfig"]
    assert not rendered.of_kind("Secret")
    assert CHECKSUM not in pod_annotations(rendered)


def test_cert_manager_can_use_an_issuer_that_is_there(chart: Chart) -> None:
    """With an issuerRef the chart creates no issuer of its own."""
    issuer = {"kind": "ClusterIssuer", "name": "house"}
    rendered = chart.render(
        {"webhook": {"certificate": {"source": "certManager", "certManager": {"issuerRef": issuer}}}}
    )

    assert not rendered.of_kind("Issuer")
    assert rendered.the("Certificate")["spec"]["issuerRef"] == issuer


def test_an_existing_secret_is_used_as_it_is(chart: Chart) -> None:
    """Source existing mounts the named Secret and hands the API server the given CA."""
    existing = {"secretName": "mine", "caBundle": CA}
    rendered = chart.render({"webhook": {"certificate": {"source": "existing", "existing": existing}}})

    assert secret_of_the_pod(rendered) == "mine"
    assert base64.b64decode(webhook(rendered)["clientConfig"]["caBundle"]).decode() == CA
    assert not rendered.of_kind("Secret")
    assert CHECKSUM in pod_annotations(rendered)


@pytest.mark.parametrize(
    ("existing", "missing"),
    [
        ({"caBundle": CA}, "set webhook.certificate.existing.secretName"),
        ({"secretName": "mine"}, "set webhook.certificate.existing.caBundle"),
    ],
)
def test_what_an_existing_certificate_lacks_is_named(chart: Chart, existing: dict[str, str], missing: str) -> None:
    """Source existing without its Secret or its CA is refused with the value to set."""
    with pytest.raises(RefusedError, match=missing):
        chart.render({"webhook": {"certificate": {"source": "existing", "existing": existing}}})


def test_the_webhook_leaves_other_namespaces_alone(chart: Chart) -> None:
    """With watchNamespaces the webhook is called for these only, and its name can't collide."""
    rendered = chart.render({"watchNamespaces": ["a", "b"]})

    assert webhook(rendered)["namespaceSelector"] == {
        "matchExpressions": [
            {"key": "fairlead.dev/admission", "operator": "NotIn", "values": ["disabled"]},
            {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["a", "b"]},
        ]
    }
    assert rendered.the("ValidatingWebhookConfiguration")["metadata"]["name"] == "fairlead-fairlead-system"


def test_selectors_and_policy_are_values(chart: Chart) -> None:
    """Who wants strict admission for some workflows only can have it."""
    selected = {"matchLabels": {"ci": "strict"}}
    rendered = chart.render(
        {
            "webhook": {
                "failurePolicy": "Fail",
                "timeoutSeconds": 10,
                "namespaceSelector": {"matchExpressions": None},
                "objectSelector": selected,
            }
        }
    )

    found = webhook(rendered)
    assert (found["failurePolicy"], found["timeoutSeconds"], found["objectSelector"]) == (
        "Fail",
        10,
        selected,
    )
    assert "namespaceSelector" not in found
