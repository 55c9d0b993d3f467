"""Packs: one Indexed Job for several combinations, each of which does what its own Job would have done."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.model.containers import EnvReference, KeyRef
from fairlead.model.ids import JobId, NodeId, StepId
from fairlead.model.report import JobState
from fairlead.plan import CreatePack, JobRequest, StepRequest
from fairlead.render.container import driver_text
from fairlead.render.job import job_manifest
from fairlead.render.pack import format_combinations, pack_manifest, pack_text, parse_combinations
from tests.builders import a_creation, a_resource
from tests.render.driving import IN_EACH_SHELL, PATH, SHELLS, Ended, finish

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.render.driving import Shell

ALWAYS, SUCCESS = frozenset(JobState), frozenset({JobState.SUCCESS})

TEXTS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=12) | st.sampled_from(
    ["", "'", "$HOME", "$(id)", "`id`", '"', "\\", "'\"$_f_m0\"'", "a\n", "\n", "一", "*", "${X}", "!"]
)


def a_member(number: int, **fields: object) -> JobRequest:
    """Give what one combination asks for: its texts have its number."""
    step = StepRequest(
        label=f"Say it's {number}",
        run=f'echo "$NUMBER {number} $OWN $HOME"\necho "value={number}" >> "$FAIRLEAD_OUTPUT"\n',
        id=StepId("say"),
        env={"OWN": f"own '{number}'"},
        runs_in=SUCCESS,
    )
    env = {"NUMBER": f"number {number}", "SAME": "same"}
    given = {"image": "busybox", "steps": (step,), "env": env, "timeout": 60, "wanted": ((StepId("say"), "value"),)}
    return JobRequest(**{**given, **fields})  # type: ignore[arg-type]


def run(shell: Shell, folder: Path, text: str, index: int | None, env: dict[str, str]) -> Ended:
    """Run a driver's text to its end, at a completion index."""
    for name in ("home", "workspace"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    program, *arguments = shell
    told = {} if index is None else {"JOB_COMPLETION_INDEX": str(index)}
    places = {"FAIRLEAD_HOME": folder / "home", "FAIRLEAD_WORKSPACE": folder / "workspace"}
    driver = subprocess.Popen(  # noqa: S603  the shells of the other tests
        [*arguments, "-c", text],
        executable=program,
        env={
            "PATH": PATH,
            "HOME": "/root",
            "FAIRLEAD_REPORT": str(folder / "report"),
            **{name: str(place) for name, place in places.items()},
            **env,
            **told,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    return finish(driver, folder)


def texts_of(request: JobRequest) -> dict[str, str]:
    """Give the variables of a request that are texts, as its container has them."""
    return {name: value for name, value in request.env.items() if isinstance(value, str)}


def compare(shell: Shell, folder: Path, requests: Sequence[JobRequest]) -> None:
    """Run each member in the pack and by itself: nobody can tell the difference."""
    together = pack_text(requests, room=4096)
    common = {
        name: value
        for name, value in texts_of(requests[0]).items()
        if all(each.env[name] == value for each in requests)
    }
    for index, request in enumerate(requests):
        apart = run(shell, folder / f"{index}-apart", driver_text(request, room=4096), None, texts_of(request))
        packed = run(shell, folder / f"{index}-packed", together, index, common)
        assert packed == apart


@IN_EACH_SHELL
def test_each_does_its_own(shell: Shell, tmp_path: Path) -> None:
    """Every index runs the steps of its own combination, with its own variables and outputs."""
    members = [a_member(number) for number in (7, 8, 19)]
    compare(shell, tmp_path, members)

    found = run(shell, tmp_path / "third", pack_text(members, room=4096), 2, {"SAME": "same"})
    assert (found.log, found.report and found.report.outputs) == (
        "::group::Say it's 19\nnumber 19 19 own '19' /root\n::endgroup::\n",
        {"say": {"value": "19"}},
    )


@IN_EACH_SHELL
def test_ways_of_running(shell: Shell, tmp_path: Path) -> None:
    """Steps may be skipped, run after a failure, be allowed to fail, or have another shell in some of the members."""

    def member(number: int) -> JobRequest:
        first = StepRequest("fails", "exit 3", runs_in=SUCCESS, continue_on_error=number == 1)
        second = StepRequest("second", f"echo {number}", runs_in=[SUCCESS, ALWAYS, frozenset[JobState]()][number % 3])
        third = StepRequest("third", "echo ${0##*/}", runs_in=ALWAYS, shell="sh" if number == 2 else None)
        folder = "." if number else None
        return a_member(number, steps=(first, second, replace(third, working_directory=folder or "")), wanted=())

    compare(shell, tmp_path, [member(number) for number in range(5)])


def test_an_unknown_index_runs_nothing(tmp_path: Path) -> None:
    """Who isn't told its index fails at once, rather than run with nothing in the holes."""
    (tmp_path / "report").write_text("")
    found = run(next(iter(SHELLS.values())), tmp_path, pack_text([a_member(1), a_member(2)], room=4096), 9, {})

    assert found == Ended(1, "", None)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=2, max_size=3))
def test_hostile_texts_stay_texts(tmp_path_factory: pytest.TempPathFactory, found: list[tuple[str, str, str]]) -> None:
    """No text gets out of its place, whatever is in it, and wherever it differs from the others'."""
    requests = [
        a_member(
            0,
            env={"A": first},
            steps=(
                StepRequest(second, 'printf "[%s]" "$A" "$B"', env={"B": third}, runs_in=ALWAYS),
                StepRequest("same", f"cat <<'END'\n{first}{third}\nEND\n", runs_in=ALWAYS),
            ),
            wanted=(),
        )
        for first, second, third in found
    ]
    compare(next(iter(SHELLS.values())), tmp_path_factory.mktemp("pack"), requests)


def test_the_manifest() -> None:
    """It is the Job of one member, but for what makes it Indexed, the deadline's place, and the driver's text."""
    members = [a_member(number) for number in range(3)]
    secret = EnvReference(secret_key_ref=KeyRef(name="s", key="k"))
    members = [replace(each, env={**each.env, "TOKEN": secret}) for each in members]
    creations = [
        replace(a_creation(), name="pack", node=NodeId(JobId("build"), index), request=request)
        for index, request in zip((0, 1, 5), members, strict=True)
    ]
    resource = a_resource()
    found = pack_manifest(CreatePack("pack", tuple(creations)), resource, keep_seconds=60)
    single = job_manifest(creations[0], resource, keep_seconds=60)

    assert found["metadata"]["annotations"] == {"fairlead.dev/combinations": "0-1,5"}
    indexed = {"completionMode": "Indexed", "completions": 3, "parallelism": 3, "backoffLimitPerIndex": 0}
    expected = {name: value for name, value in single["spec"].items() if name not in ("backoffLimit", "template")}
    deadline = expected.pop("activeDeadlineSeconds")
    assert {name: value for name, value in found["spec"].items() if name != "template"} == {**expected, **indexed}
    inside, outside = found["spec"]["template"]["spec"], single["spec"]["template"]["spec"]
    assert inside["activeDeadlineSeconds"] == deadline
    variables = [each["name"] for each in inside["containers"][0]["env"]]
    assert (variables, inside["volumes"]) == (["FAIRLEAD_ATTEMPT", "SAME", "TOKEN"], outside["volumes"])
    labels = found["spec"]["template"]["metadata"]["labels"]
    assert labels == {
        name: value for name, value in single["metadata"]["labels"].items() if name != "fairlead.dev/combination"
    }


@pytest.mark.parametrize(("numbers", "text"), [((), ""), ((3,), "3"), ((0, 1, 2, 5, 7, 8), "0-2,5,7-8")])
def test_combinations_as_text(numbers: tuple[int, ...], text: str) -> None:
    """Combinations are written as Kubernetes writes completion indexes, and read back."""
    assert (format_combinations(numbers), parse_combinations(text)) == (text, numbers)


@pytest.mark.parametrize("text", ["x", "3-1", "0-64", "0-999999999999", "1,,2", "-1"])
def test_no_combinations(text: str) -> None:
    """What somebody else has written there is no reason to count for long."""
    with pytest.raises(ValueError, match=r"."):
        parse_combinations(text)
