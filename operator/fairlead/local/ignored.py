"""What a job says about its Pod that nothing on this machine can give it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.model.problem import quote

if TYPE_CHECKING:
    from fairlead.plan.actions import JobRequest


def ignored(request: JobRequest, *, limits: frozenset[str] = frozenset(), volumes: bool = False) -> list[str]:
    """Name it by its fields. `limits` are those that can be set here; `volumes`: whether there are empty ones."""
    settings = request.pod
    said = {
        "serviceAccountName": settings.service_account_name is not None,
        "nodeSelector": bool(settings.node_selector),
        "tolerations": bool(settings.tolerations),
        "podTemplate": settings.template is not None,
    }
    limited = [request.resources, *(service.resources for service in request.services.values())]
    wanted = {limit for resources in limited if resources is not None for limit in resources.limits}
    others = [each for each in settings.volumes if not (volumes and isinstance(each.get("emptyDir"), dict))]
    return [
        *(name for name, given in said.items() if given),
        *(f"volume {quote(str(volume.get('name')))}" for volume in others),
        *(f"resources.limits.{limit}" for limit in sorted(wanted - limits)),
    ]
