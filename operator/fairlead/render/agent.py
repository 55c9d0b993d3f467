"""The agent as a container beside a job's: a native sidecar of the operator's image, in the jobs with late steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fairlead.render.env import literal
from fairlead.render.program import program_variables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairlead.render.program import Program

AGENT: Final = "fairlead-agent"
"""The container's name."""

_REQUESTS: Final = {"cpu": "10m", "memory": "48Mi"}
"""What it sets aside: it waits at a pipe nearly all of the time."""


def agent_container(image: str, program: Program, mounts: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Render it. `mounts` are those of the state folder and of the workspace, as the main container has them."""
    return {
        "name": AGENT,
        "image": image,
        "args": ["agent"],
        "restartPolicy": "Always",
        "env": [{"name": name, "value": literal(text)} for name, text in program_variables(program).items()],
        "resources": {"requests": _REQUESTS},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": mounts,
    }
