"""An announcement as a core/v1 Event."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from fairlead.model.crd import API_VERSION, KIND
from fairlead.model.status import format_time

if TYPE_CHECKING:
    from datetime import datetime

    from fairlead.plan import Resource
    from fairlead.plan.announcements import Announcement

_COMPONENT: Final = "fairlead"
_MOST_TEXT: Final = 1000
"""Characters; the Events API has 1 kB for it."""


def event_manifest(announcement: Announcement, resource: Resource, now: datetime) -> dict[str, Any]:
    """Render the Event, under a name that the same change of the same Workflow always has."""
    key = resource.key
    digest = sha256(f"{resource.uid}/{announcement.identity}".encode()).hexdigest()[:16]
    moment = format_time(now)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{key.name}.{digest}", "namespace": key.namespace},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "namespace": key.namespace,
            "name": key.name,
            "uid": resource.uid,
        },
        "reason": announcement.reason,
        "message": announcement.message[:_MOST_TEXT],
        "type": "Warning" if announcement.warning else "Normal",
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
        "source": {"component": _COMPONENT},
        "reportingComponent": _COMPONENT,
    }
