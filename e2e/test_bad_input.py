"""Bad input on a real API server: it is refused, Invalid with a message, or runs; it never shakes the operator.

What is generated fits the CRD's own schema, or is an example with some of its values replaced.
HYPOTHESIS_PROFILE=thorough takes twenty times as many, and other ones each time.
"""

from __future__ import annotations

import json
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Final

import pytest
import yaml

from e2e.support.calm import calm
from e2e.support.nasty import CALLERS, KEYS, LABELS, NAMES, NASTY, REPORTS, RUBBISH, SPECS, THOROUGH, drawn
from e2e.support.raw import GROUP, MERGE_PATCH
from e2e.support.sandbox import ENDED, Sandbox, open_sandbox
from e2e.support.together import chosen, played
from e2e.support.waiting import wait_for
from tests.generated import documents, schema_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from e2e.support.installation import Installation
    from e2e.support.kubectl import Json
    from e2e.support.raw import RawApi

BATCH: Final = 40
BATCHES: Final = 20 if THOROUGH else 1
SECONDS: Final = 120

GOOD: Final = "{jobs: {one: {image: 'busybox:1.35', commands: ['true']}}}"


# What becomes of it


def post(raw: RawApi, sandbox: Sandbox, name: str, spec: object, **metadata: object) -> tuple[int, str]:
    """Create a Workflow; give the answer's code and message."""
    return _post(raw, sandbox, "workflows", {"kind": "Workflow", "metadata": {"name": name, **metadata}, "spec": spec})


def _post(raw: RawApi, sandbox: Sandbox, plural: str, document: Json) -> tuple[int, str]:
    path = f"{GROUP}/namespaces/{sandbox.namespace}/{plural}"
    answer = raw.ask("POST", path, {"apiVersion": "fairlead.dev/v1alpha1", **document})
    return answer.code, answer.message


def statuses(sandbox: Sandbox) -> dict[str, Json]:
    """Give the status of each Workflow that is there, empty where it speaks of an earlier generation."""
    found = {}
    for each in sandbox.kubectl.items("workflows.fairlead.dev"):
        status = each.get("status", {})
        current = status.get("observedGeneration") == each["metadata"]["generation"]
        found[each["metadata"]["name"]] = status if current else {}
    return found


def settled(sandbox: Sandbox, seconds: float = SECONDS) -> None:
    """Wait until each Workflow has been looked at; ask all to end, and wait until none runs any more."""

    def unseen() -> list[str]:
        return [name for name, status in statuses(sandbox).items() if "phase" not in status]

    wait_for("a phase for each workflow", lambda: not unseen(), seconds=seconds)
    mute = {name: status for name, status in statuses(sandbox).items() if status["phase"] == "Invalid"}
    assert [name for name, status in mute.items() if not status.get("problems") or not status["message"]] == []

    def going() -> list[str]:
        found = statuses(sandbox).items()
        going = [(name, each["run"]) for name, each in found if each.get("phase") not in ENDED and each.get("run")]
        for run in {run for _, run in going}:
            names = [name for name, its_run in going if its_run == run]
            sandbox.kubectl.attempt("annotate", "fwf", *names, f"fairlead.dev/cancel={run}", "--overwrite")
        return [name for name, _ in going]

    # Those that wait for a time of their schedule have a run only once it comes.
    wait_for("the end of all that runs", lambda: not going(), seconds=seconds, interval=2)


def sentinel(sandbox: Sandbox, name: str) -> None:
    """See that a good workflow still has its Job at once, and is run."""
    sandbox.apply(name, GOOD)
    wait_for("the Job of a good workflow", lambda: sandbox.jobs(name), seconds=15)
    sandbox.wait(name, seconds=SECONDS)


# Specs


def generated_specs(place: Sandbox, raw: RawApi) -> None:
    """See that what is generated and mutated is refused, Invalid with a message, or runs; others don't notice."""
    specs = drawn(SPECS, BATCH * BATCHES)
    for batch in range(0, len(specs), BATCH):
        for number, spec in enumerate(specs[batch : batch + BATCH], batch):
            code, message = post(raw, place, f"w-{number}", spec)
            assert code == 201 or (400 <= code < 500 and message), f"{code} {message!r} for {json.dumps(spec)}"
        sentinel(place, f"good-{batch}")
        settled(place)
        place.kubectl.run("delete", "workflows.fairlead.dev", "--all", "--wait=false")


DEEP: Final = {
    "list": (b"[", b"]"),
    "map": (b'{"a":', b"}"),
}


def depth(place: Sandbox, raw: RawApi) -> None:
    """See that a spec that is deeper than any parser of ours goes is a wrong one as others are, and hides nothing."""
    answers = {}
    for (kind, (opened, closed)), levels in product(DEEP.items(), (1500, 9900)):
        name = f"{kind}-{levels}"
        head = f'{{"apiVersion":"fairlead.dev/v1alpha1","kind":"Workflow","metadata":{{"name":"{name}"}},"spec":{{"x":'
        body = head.encode() + opened * levels + b"1" + closed * levels + b"}}"
        answers[name] = raw.ask("POST", f"{GROUP}/namespaces/{place.namespace}/workflows", body)
    sentinel(place, "good")
    for name, answer in answers.items():
        if answer.ok:
            wait_for("it to be Invalid", partial(_is_invalid, place, name))
            assert _part(place, name, ".status.problems") == '["spec.x: is nested too deeply"]'
        else:
            assert "spec.x: is nested too deeply" in answer.message


def _is_invalid(sandbox: Sandbox, name: str) -> bool:
    return _part(sandbox, name, ".status.phase") == "Invalid"


def _part(sandbox: Sandbox, name: str, path: str) -> str:
    """Read a part of a Workflow, of which the whole would be too deep for the test's parser, too."""
    return sandbox.kubectl.run("get", "fwf", name, "-o", f"jsonpath={{{path}}}")


def nasty_specs(place: Sandbox, raw: RawApi) -> None:
    """See that each is refused or Invalid with the problem named, or goes its way; others run meanwhile."""
    names = {f"nasty-{number}": name for number, name in enumerate(NASTY)}
    answers = {name: post(raw, place, name, NASTY[names[name]][0]) for name in names}
    sentinel(place, "good")
    settled(place)
    found = statuses(place)
    wrong = []
    for name, (code, message) in answers.items():
        wanted = NASTY[names[name]][1]
        said = message if code != 201 else " ".join(found[name].get("problems", ()))
        if bool(said) != bool(wanted) or wanted not in said:
            wrong.append(f"{names[name]}: {code} {said[:500]!r}, not {wanted!r}")
    assert not wrong, "\n".join(wrong)


def odd_names(place: Sandbox, raw: RawApi) -> None:
    """See that a name that can't label a Job is refused by the API server, and the longest that can is run."""
    found = {name: post(raw, place, name, yaml.safe_load(GOOD))[0] == 201 for name in NAMES}
    assert found == NAMES
    for name in (name for name, good in NAMES.items() if good):
        place.wait(name)


def annotations_and_labels(place: Sandbox, raw: RawApi) -> None:
    """See that requests that make no sense do nothing, and labels of ours make nothing of what isn't ours."""
    for number, text in enumerate(RUBBISH):
        annotations = {"fairlead.dev/cancel": text, "fairlead.dev/rerun": text, "fairlead.dev/sha": text}
        assert post(raw, place, f"odd-{number}", yaml.safe_load(GOOD), annotations=annotations, labels=LABELS)[0] == 201
    owner = place.workflow("odd-0")["metadata"]["uid"]
    owned = {**LABELS, "fairlead.dev/workflow-uid": owner, "fairlead.dev/run": "1", "fairlead.dev/attempt": "1"}
    owned |= {"fairlead.dev/combination": "0", "fairlead.dev/retries": "0", "fairlead.dev/workflow": "odd-0"}
    reference = {"apiVersion": "fairlead.dev/v1alpha1", "kind": "Workflow", "name": "odd-0", "uid": owner}
    for number, text in enumerate(CALLERS):
        annotations = {"fairlead.dev/callers": text}
        made = post(
            raw,
            place,
            f"called-{number}",
            yaml.safe_load(GOOD),
            annotations=annotations,
            labels=owned,
            ownerReferences=[reference],
        )
        assert made[0] == 201, made
    sentinel(place, "good")
    settled(place)
    runs = {name: status["run"] for name, status in statuses(place).items() if name.startswith("odd-")}
    # One asks for the end of run 1, which has ended meanwhile or not, and for another run after it.
    assert runs == {f"odd-{number}": 2 if text == "1" else 1 for number, text in enumerate(RUBBISH)}


def generated_statuses(place: Sandbox, raw: RawApi) -> None:
    """See that whatever somebody writes into a status, the operator goes on from it, and the next spec runs."""
    found = drawn(documents(schema_of("workflows", "status"), ("one", "other")), BATCH * BATCHES // 2)
    for number, status in enumerate(found):
        name = f"v-{number % 10}"
        place.apply(name, GOOD)
        path = f"{GROUP}/namespaces/{place.namespace}/workflows/{name}/status"
        answer = raw.ask("PATCH", path, {"status": status}, MERGE_PATCH)
        assert answer.code in (200, 400, 422), answer.message
    sentinel(place, "good")
    for number in range(10):
        place.apply(f"v-{number}", GOOD.replace("true", "echo again"))
    for number in range(10):
        place.wait(f"v-{number}")


# What isn't a Workflow


def forged_jobs(place: Sandbox, _raw: RawApi) -> None:
    """See that Jobs and Pods that claim to be a workflow's, with rubbish on them, change nothing of its run."""
    place.apply("real", "{jobs: {one: {image: 'busybox:1.35', commands: ['sleep 3; exit 3']}}}")
    job = place.wait_for_job("real", "one")
    [real] = place.jobs("real")
    owner = real["metadata"]["ownerReferences"]
    text = f"{REPORTS['another end']}; head -c 3000 /dev/urandom >> /dev/termination-log"
    for number, (labels, owners) in enumerate(
        [
            (real["metadata"]["labels"], owner),
            (real["metadata"]["labels"], []),
            ({**real["metadata"]["labels"], **LABELS}, owner),
            ({**real["metadata"]["labels"], "fairlead.dev/attempt": "2"}, owner),
            ({**real["metadata"]["labels"], "fairlead.dev/run": "2"}, owner),
            ({**real["metadata"]["labels"], "fairlead.dev/job": "no-such-job"}, owner),
            ({**real["metadata"]["labels"], "fairlead.dev/combination": "7"}, owner),
        ]
    ):
        container = {"name": "main", "image": "busybox:1.35", "command": ["sh", "-c", text]}
        template = {"metadata": {"labels": labels}, "spec": {"restartPolicy": "Never", "containers": [container]}}
        place.kubectl.apply(
            {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": {"name": f"forged-{number}", "labels": labels, "ownerReferences": owners},
                "spec": {"template": template, "backoffLimit": 0},
            }
        )
    sentinel(place, "good")
    status = place.wait("real", "Failed")
    assert (status["run"], status["jobs"]["one"]["exitCode"]) == (1, 3)
    assert status["jobs"]["one"]["kubernetesJob"] == job["kubernetesJob"]


def forged_reports(place: Sandbox, _raw: RawApi) -> None:
    """See that a step that writes its job's report itself, and takes the driver down, harms its own job alone."""
    jobs = {
        name.replace(" ", "-"): {"image": "busybox:1.35", "commands": [f"{text}; kill -9 -1; sleep 5"]}
        for name, text in REPORTS.items()
    }
    place.apply("reports", {"jobs": jobs})
    sentinel(place, "good")
    status = place.wait_until("reports", "its end", lambda status: status.get("phase") in ENDED)
    said = json.dumps(status, ensure_ascii=False)
    assert not [character for character in said if not character.isprintable()]


def templates(place: Sandbox, raw: RawApi) -> None:
    """See that a template that makes no sense is refused, or fails the jobs that call it with a message."""
    found = drawn(documents(schema_of("workflowtemplates", "spec"), KEYS), BATCH // 2)
    calls = {}
    for number, spec in enumerate(found):
        head = {"kind": "WorkflowTemplate", "metadata": {"name": f"t-{number}"}}
        code, message = _post(raw, place, "workflowtemplates", {**head, "spec": spec})
        assert code == 201 or (400 <= code < 500 and message), (code, message)
        if code == 201:
            calls[f"call-{number}"] = {"uses": f"t-{number}"}
    calls["none"] = {"uses": "no-such-template"}
    calls["no-name"] = {"uses": "../../secrets/ci"}
    place.apply("caller", {"jobs": calls})
    sentinel(place, "good")
    settled(place)
    jobs = place.status("caller")["jobs"]
    assert [name for name, job in jobs.items() if job["phase"] == "Failed" and not job.get("message")] == []


# All of them

CASES: Final[Sequence[Callable[[Sandbox, RawApi], None]]] = (
    generated_specs,
    generated_statuses,
    nasty_specs,
    templates,
    annotations_and_labels,
    forged_jobs,
    forged_reports,
    odd_names,
    depth,
)
PLACES: Final[Mapping[str, Sequence[str]]] = {"checked": (), "unchecked": ("fairlead.dev/admission=disabled",)}
"""With admission and without it, by labels of a namespace."""


@pytest.fixture(scope="module")
def ends(
    request: pytest.FixtureRequest, installation: Installation, raw: RawApi
) -> Iterator[Mapping[tuple[str, str], Future[None]]]:
    """Try all that was chosen, some at a time, each in a namespace of its own."""

    def shake(case: Callable[[Sandbox, RawApi], None], place: str) -> None:
        with (
            calm(installation),
            open_sandbox(installation.kubectl, f"{case.__name__}-{place}", *PLACES[place]) as found,
        ):
            case(found, raw)

    pairs = list(zip(chosen(request, "case"), chosen(request, "place"), strict=True))
    with played({(case.__name__, place): partial(shake, case, place) for case, place in pairs}) as ends:
        yield ends


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_bad_input_shakes_nothing(
    case: Callable[[Sandbox, RawApi], None], place: str, ends: Mapping[tuple[str, str], Future[None]]
) -> None:
    """What each case says becomes true, and the operator's processes take it calmly, whatever else is tried."""
    ends[case.__name__, place].result()
