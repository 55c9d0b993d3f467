"""Tables in docs/performance.md, between its markers, and figures beside it: from the results, ratios first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import plots

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Json = dict[str, Any]

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = DOCS / "performance.md"
FIGURES = DOCS / "figures"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"

_LOADS = ("one-job workflows", "chains of 3", "one matrix", "one random graph")
_LIMITS = ("raised", "default")
_OF_PACKS = (
    ("clusterWrites", "writes of all", ""),
    ("operatorWrites", "the operator's", ""),
    ("lastPodS", "until the last Pod is made", " s"),
    ("lastEndS", "until all have ended", " s"),
    ("operatorCpuMs", "the operator's CPU", " ms"),
)
"""Figures of a matrix, with the head of their column and their unit."""


def write(results: Json) -> None:
    """Bring the page and the figures up to date."""
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{tables(results)}\n{END}{after}")
    FIGURES.mkdir(exist_ok=True)
    for name, figure in figures(results).items():
        (FIGURES / f"{name}.svg").write_text(figure)


def tables(results: Json) -> str:
    """Write all tables of which there are results."""
    parts = [_hop, _throughput, _requests, _packs, _live, _fairness, _planner, _machine]
    return "\n".join(text for part in parts if (text := part(results)))


def verdict(value: float, goal: float, found: Json | None = None, *, at_least: bool = False) -> str:
    """Say whether a goal is met; where it isn't, by how much it is missed. One goes for the full size alone."""
    if found is not None and (scale := found.get("scale", 1)) != 1:
        return f"smaller: {scale:g} of the size"
    if value >= goal if at_least else value <= goal:
        return "met"
    return f"missed by {abs(value - goal) / goal * 100:.0f} %"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def _hop(results: Json) -> str:
    if (found := results.get("hop")) is None:
        return ""
    ratio, ours, theirs = found["ratio"], found["fairlead"], found["ceiling"]

    def row(name: str, key: str, unit: str, goal: str, said: str) -> Sequence[object]:
        return name, ratio.get(key, "-"), f"{ours[key]} {unit}", f"{theirs[key]} {unit}", goal, said

    rows = [
        row("hop, median", "medianMs", "ms", "≤ 2 ceilings", verdict(ratio["medianMs"], 2, found)),
        row("hop, p95", "p95Ms", "ms", "", ""),
        row("hop, p99", "p99Ms", "ms", "≤ 50 ms", verdict(ours["p99Ms"], 50, found)),
        row("makespan", "makespanS", "s", "≤ 1.1 ceilings", verdict(ratio["makespanS"], 1.1, found)),
    ]
    said = f"Chains of {found['length']} jobs on the real node, {found['rounds']} of each in turn.\n\n"
    return f"### Hop\n\n{said}{table(('', 'ratio', 'Fairlead', 'ceiling', 'goal', ''), rows)}"


def _throughput(results: Json) -> str:
    rows = [
        (
            load,
            limits,
            found["jobs"],
            found["ratio"],
            f"{found['fairlead']['jobsPerMinute']:,} / {found['ceiling']['jobsPerMinute']:,}",
            verdict(found["ratio"], 0.8, found, at_least=True),
            *_complete(found),
            f"{found['fairlead']['workflowsPerMinute']:,}",
            f"{found['fairlead']['cpuMsPerJob']} ms",
        )
        for limits, load, found in _loads(results)
    ]
    if not rows:
        return ""
    head = (
        "load",
        "limits",
        "Jobs",
        "Pods ended: ratio",
        "a minute",
        "≥ 0.8",
        "Jobs complete: ratio",
        "a minute",
        "≥ 0.8",
        "workflows/min",
        "operator's CPU a Job",
    )
    return f"### Throughput\n\n![Jobs a minute](figures/throughput.svg)\n\n{table(head, rows)}"


def _complete(found: Json) -> Sequence[object]:
    if "ratioComplete" not in found:
        return "-", "-", ""
    ours, theirs = (found[who]["completePerMinute"] for who in ("fairlead", "ceiling"))
    return found["ratioComplete"], f"{ours:,} / {theirs:,}", verdict(found["ratioComplete"], 0.8, found, at_least=True)


def _requests(results: Json) -> str:
    rows = []
    for limits, load, found in _loads(results):
        ours = found["fairlead"]
        besides = ours["operatorWritesPerWorkflowBesides"]
        rows.append(
            (
                load,
                limits,
                ours["operatorWritesPerJob"],
                besides,
                ours["operatorReads"],
                ours["clusterWritesPerJob"],
                found["ceiling"]["clusterWritesPerJob"],
                verdict(besides, 2, found),
            )
        )
    if not rows:
        return ""
    head = (
        "load",
        "limits",
        "operator's writes a Job",
        "beyond 2 a Job, a workflow",
        "its lists and watches",
        "all writes a Job",
        "the ceiling's",
        "≤ 2 a workflow besides",
    )
    return f"### API requests\n\n{table(head, rows)}"


def _packs(results: Json) -> str:
    rows = []
    for key, found in results.items():
        if not key.startswith("packs "):
            continue
        _, limits, width = key.split(" ")
        ratio, jobs, packs = found["ratio"], found["jobs"], found["packs"]
        columns = [f"{ratio[name]} ({jobs[name]} / {packs[name]}{unit})" for name, _, unit in _OF_PACKS]
        rows.append((int(width), limits, *columns))
    if not rows:
        return ""
    head = ("combinations", "limits", *(said for _, said, _ in _OF_PACKS))
    said = "A matrix by Fairlead as one Job a combination, and as packs of up to 64: ratio (the one / the other).\n\n"
    return f"### Indexed Jobs\n\n{said}{table(head, sorted(rows, key=lambda row: (row[1], row[0])))}"


def _live(results: Json) -> str:
    rows: list[Sequence[object]] = []
    if found := results.get("live"):
        there = f"{found['workflows']:,} live workflows with {found['pods']:,} Pods"
        rows += [
            (f"memory, {there}", f"{found['memoryMiB']} MiB", "≤ 250 MiB", verdict(found["memoryMiB"], 250, found)),
            ("the same after a restart", f"{found['restartedMiB']} MiB", "", ""),
            (
                "restarted among them, first action",
                f"{found['firstActionS']} s",
                "≤ 10 s",
                verdict(found["firstActionS"], 10, found),
            ),
            *([("all looked at", f"{found['allLookedAtS']} s", "", "")] if "allLookedAtS" in found else []),
            ("CPU while nothing happens", f"{found['idleCpuPercent']} %", "", ""),
        ]
    if found := results.get("admission"):
        load = f"{found['reviews']} reviews while {found['workflows']} workflows run"
        rows += [(f"admission p99, {load}", f"{found['p99Ms']} ms", "", "")]
        if found.get("loopLagP99Ms") is not None:
            rows += [("event loop's lag p99 meanwhile", f"≤ {found['loopLagP99Ms']} ms", "", "")]
    return f"### Memory and start-up\n\n{table(('', '', 'goal', ''), rows)}" if rows else ""


def _fairness(results: Json) -> str:
    rows = [
        (
            limits,
            found["workflows"],
            f"{found['quietAloneS']} s",
            *(
                f"{found[until]['median']} s, {found[until]['most']} s"
                for until in ("quietUntilJobS", "quietUntilPodS", "quietUntilRunningS")
            ),
            found["jobsPerMinute"],
            f"{found['peakMiB']} MiB",
            "-" if found["loopLagP99S"] is None else f"{found['loopLagP99S'] * 1000:.0f} ms",
        )
        for limits in _LIMITS
        if (found := results.get(f"fairness {limits}")) is not None
    ]
    if not rows:
        return ""
    head = (
        "limits",
        "workflows at once",
        "quiet one, alone",
        "its Job",
        "its Pod",
        "runs",
        "Jobs/min",
        "memory",
        "loop lag, p99",
    )
    said = (
        "A workflow of a quiet namespace every ten seconds while another namespace has many: after how long there was"
        " its Job, its Pod, and that ran (median, longest)."
    )
    return f"### Fairness\n\n{said}\n\n{table(head, rows)}"


def _planner(results: Json) -> str:
    if (found := results.get("planner")) is None:
        return ""
    rows = []
    for shape, each in found["shapes"].items():
        if 5000 not in each["sizes"]:
            return ""
        at = each["sizes"].index(5000)
        first, after = each["firstMs"][at], each["afterOneMs"][at]
        exponents = (each["firstExponent"], each["afterOneExponent"])
        rows.append((shape, f"{first:.1f} ms", verdict(first, 50), f"{after:.2f} ms", verdict(after, 2), *exponents))
    head = ("5,000 nodes", "a full plan", "≤ 50 ms", "after one ending", "≤ 2 ms", "growth, full", "growth, one ending")
    said = "CPU time, medians. Growth is the exponent of the size, from 100 to 10,000 nodes: 1 is linear.\n\n"
    return f"### Planner\n\n![Milliseconds by size](figures/planner.svg)\n\n{said}{table(head, rows)}"


def _machine(results: Json) -> str:
    found = [each["machine"] for each in results.values() if "machine" in each]
    if not found:
        return ""
    first, last = min(each["at"] for each in found), max(each["at"] for each in found)
    one = found[0]
    said = f"{one['cores']} cores, {one['memoryGiB']} GiB, Python {one['python']}; {first} to {last}"
    return f"Measured on {said}, everything (control plane, nodes, operator, bench) on one machine.\n"


def figures(results: Json) -> dict[str, str]:
    """Draw what there are results of, by name."""
    found: dict[str, str] = {}
    loads = list(_loads(results))
    if loads:
        names = [f"{load} ({limits})" if limits != "raised" else load for limits, load, _ in loads]
        series = {
            "Fairlead": [each["fairlead"]["jobsPerMinute"] for _, _, each in loads],
            "ceiling": [each["ceiling"]["jobsPerMinute"] for _, _, each in loads],
        }
        found["throughput"] = plots.bars("Throughput", "Jobs a minute", [_short(name) for name in names], series)
    if planner := results.get("planner"):
        shapes = planner["shapes"]
        sizes = next(iter(shapes.values()))["sizes"]
        series = {name: each["afterOneMs"] for name, each in shapes.items()}
        found["planner"] = plots.lines("A plan after one ending", "ms of CPU by nodes", sizes, series)
    return found


def _short(name: str) -> str:
    words = {
        "one-job workflows": "one job",
        "chains of 3": "chains",
        "one matrix": "matrix",
        "one random graph": "graph",
    }
    for long, short in words.items():
        name = name.replace(long, short)
    return name.replace("(default)", "(def.)")


def _loads(results: Json) -> Iterator[tuple[str, str, Json]]:
    for limits in _LIMITS:
        for load in _LOADS:
            if (found := results.get(f"throughput {limits} {load}")) is not None:
                yield limits, load, found
