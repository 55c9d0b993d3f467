"""People who use the cluster: they apply, edit, cancel, rerun, suspend and delete Workflows whenever they like."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from fairlead.model.crd import API_VERSION, KIND
from fairlead.plan.runs import CANCEL, RERUN
from tests.simulation.server import Place

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.simulation.server import ApiServer, Json
    from tests.simulation.workloads import Author, Workload

NAMESPACES = ("a", "a", "a", "b")
"""Most people work in one, so that they get into each other's way."""


@dataclass(slots=True)
class People:
    """All of them. `known`: the Workflows that they have made, with what they last wanted; `acts` counts what they did.

    `crowded`: whether they want to have the same things again and again.
    """

    dice: Random
    server: ApiServer
    author: Author
    crowded: bool
    tell: Callable[[str], None]
    known: dict[Place, Workload] = field(default_factory=dict)
    acts: int = 0

    def resume_all(self) -> None:
        """Suspend nothing any more."""
        for place, document in self.server.every("workflows"):
            if document["spec"].get("suspend"):
                self.server.put(place, _edited(document, {**document["spec"], "suspend": False}))

    def apply(self) -> None:
        """Make a Workflow, or give one another spec."""
        self.acts += 1
        place = Place("workflows", self.dice.choice(NAMESPACES), f"w{self.dice.randint(1, 4)}")
        workload = self.author.workflow()
        known = self.server.objects.get(place)
        if known is None:
            self.known[place] = workload
            self.server.put(place, {"apiVersion": API_VERSION, "kind": KIND, "metadata": {}, "spec": workload.spec})
        elif workload.spec != known["spec"]:
            self.known[place] = workload
            self.server.put(place, _edited(known, workload.spec))

    def act(self) -> None:
        """Cancel, rerun, suspend, edit or delete a Workflow."""
        places = [place for place in self.known if place in self.server.objects]
        if not places:
            return
        self.acts += 1
        place = self.dice.choice(places)
        document = self.server.objects[place]
        run = (document.get("status") or {}).get("run", 1)
        what = ["cancel", "rerun", "rerun failed", "suspend", "edit", "delete"]
        # Reruns are what brings many to one group at once, in any order.
        match self.dice.choice([*what, *["rerun"] * 6] if self.crowded else what):
            case "cancel":
                self._annotate(place, CANCEL, str(run))
            case "rerun":
                self._annotate(place, RERUN, str(run))
            case "rerun failed":
                if CANCEL in (document["metadata"].get("annotations") or {}):
                    # What is kept of a run may have come of its cancellation.
                    self.known[place] = replace(self.known[place], exact=False)
                self._annotate(place, RERUN, f"{run} failed")
            case "suspend":
                self.server.put(place, _edited(document, {**document["spec"], "suspend": True}))
            case "edit":
                workload = self.author.workflow()
                self.known[place] = workload
                self.server.put(place, _edited(document, workload.spec))
            case _:
                self.tell(f"{place.name} is deleted")
                del self.known[place]
                self.server.remove(place)

    def _annotate(self, place: Place, name: str, value: str) -> None:
        document = self.server.objects[place]
        metadata = document["metadata"]
        annotations = {**(metadata.get("annotations") or {}), name: value}
        self.tell(f"{place.name} is annotated {name}={value}")
        self.server.put(place, {**document, "metadata": {**metadata, "annotations": annotations}})


def _edited(document: Json, spec: Json) -> Json:
    metadata = document["metadata"]
    return {**document, "metadata": {**metadata, "generation": metadata["generation"] + 1}, "spec": spec}
