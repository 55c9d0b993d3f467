"""Where the cluster is and who we are there, as the `kubernetes` package finds it: in a Pod or from a kubeconfig."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kubernetes.client import Configuration
from kubernetes.config import (
    ConfigException,
    list_kube_config_contexts,
    load_incluster_config,
    load_kube_config,
)
from kubernetes.config.incluster_config import SERVICE_HOST_ENV_NAME
from yaml import YAMLError

from fairlead.kube.errors import ConfigurationError
from fairlead.model.problem import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEY = "BearerToken"
_USUAL_FILE = "~/.kube/config"
_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True, slots=True)
class Connection:
    """One API server and the credentials for it.

    `cluster` is what the kubeconfig's context is called; `namespace` the one that it, or the Pod around us, is in.
    """

    server: str
    configuration: Configuration = field(repr=False)
    cluster: str = field(default="", repr=False)
    namespace: str = field(default="default", repr=False)

    @property
    def token(self) -> str | None:
        """The bearer token of this moment; in a Pod it is read again when it gets old."""
        value = self.configuration.get_api_key_with_prefix(_KEY) or self.configuration.api_key.get("authorization")
        return value.split(" ", 1)[-1] if value else None

    def headers(self) -> Mapping[str, str]:
        """Give the headers that authenticate a request."""
        token = self.token
        return {"Authorization": f"Bearer {token}"} if token else {}

    def ssl_context(self) -> ssl.SSLContext | None:
        """Give what a TLS connection needs; None for plain HTTP."""
        if not self.server.startswith("https:"):
            return None
        context = ssl.create_default_context(cafile=self.configuration.ssl_ca_cert)
        if not self.configuration.verify_ssl:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.configuration.cert_file:
            context.load_cert_chain(self.configuration.cert_file, self.configuration.key_file)
        return context


def connect(context: str | None = None, kubeconfig: str | None = None) -> Connection:
    """Find the cluster: the one around this Pod, else that of the kubeconfig (or of one of its contexts).

    Raises ConfigurationError.
    """
    configuration = Configuration()
    in_pod = context is None and kubeconfig is None and _in_cluster()
    # The package itself looks at the variable only once, when it is imported.
    file = kubeconfig or os.environ.get("KUBECONFIG") or None
    try:
        if in_pod:
            load_incluster_config(client_configuration=configuration)
            cluster, namespace = "around this Pod", _namespace_of_pod()
        else:
            load_kube_config(config_file=file, context=context, client_configuration=configuration)
            cluster, namespace = _names(file, context)
    except (ConfigException, OSError, YAMLError) as error:
        source = "the Pod's service account" if in_pod else file or _USUAL_FILE
        said = f"{one_line(source)}: {one_line(str(error)).rstrip('.')}"
        raise ConfigurationError(
            f"{said}; set KUBECONFIG to a file that names a cluster, or run inside of one"
        ) from error
    return Connection(str(configuration.host).rstrip("/"), configuration, cluster, namespace)


def _names(file: str | None, context: str | None) -> tuple[str, str]:
    """Give the name of a context, and the namespace in it."""
    contexts, active = list_kube_config_contexts(file)
    found = next((each for each in contexts if each["name"] == context), active)
    return str(found["name"]), str((found.get("context") or {}).get("namespace") or "default")


def _namespace_of_pod() -> str:
    try:
        return _OWN_NAMESPACE.read_text().strip() or "default"
    except OSError:
        return "default"


def _in_cluster() -> bool:
    return bool(os.environ.get(SERVICE_HOST_ENV_NAME)) and not os.environ.get("KUBECONFIG")
