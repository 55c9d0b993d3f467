from __future__ import annotations

import orjson

from bench import shapes
from bench.manifests import Node, manifests, node_of, ready_made
from fairlead.render.job import LABEL_JOB, LABEL_WORKFLOW, MANAGED_BY
from fairlead.render.pack import LABEL_INDEX
from fairlead.syntax import parse_spec


def test_shapes() -> None:
    """Each shape is a workflow that can run, of as many jobs as asked for."""
    made = {
        "chain": shapes.chain(40),
        "fan": shapes.fan(40),
        "layered": shapes.layered(40),
        "random": shapes.random_dag(40),
    }
    sizes = {name: len(parse_spec(shapes.document(name, jobs)["spec"]).jobs) for name, jobs in made.items()}
    assert sizes == dict.fromkeys(made, 40)


def test_random_graph_is_always_the_same() -> None:
    """Two runs of the bench measure the same graph."""
    assert shapes.random_dag(100) == shapes.random_dag(100)


def test_all_jobs_with_their_needs() -> None:
    """The ceiling gets every Job of a chain, in spite of their needs, and knows what each one needs."""
    made = ready_made(shapes.document("w", shapes.chain(3)), "team")
    first, second, third = (Node("w", shapes.job_id(index)) for index in range(3))
    assert {job.node: job.needs for job in made} == {
        first: frozenset(),
        second: frozenset({first}),
        third: frozenset({second}),
    }


def test_ceilings_jobs_are_the_operators() -> None:
    """But for the labels and the owner by which the operator knows its own, they are what it makes."""
    document = shapes.document("w", shapes.matrix(2), extra=shapes.ON_FAKE_NODES)
    operators, theirs = manifests(document, "team"), ready_made(document, "team")
    bodies = [orjson.loads(job.body) for job in theirs]
    for manifest in operators:
        assert manifest["metadata"].pop("ownerReferences")
        for metadata in (manifest["metadata"], manifest["spec"]["template"]["metadata"]):
            for label in MANAGED_BY:
                del metadata["labels"][label]
    assert bodies == operators


def test_nodes_of_indexed_jobs() -> None:
    """The Pods of several Indexed Jobs are told apart, and so are the Jobs."""
    labels = {LABEL_WORKFLOW: "w", LABEL_JOB: "m"}
    job = {"metadata": {"name": "w-m-p1", "labels": labels}, "spec": {"completionMode": "Indexed"}}
    placed = {**labels, "batch.kubernetes.io/job-name": "w-m-p1", LABEL_INDEX: "3"}
    found = [node_of(job), node_of({"metadata": {"name": "w-m-p1-3-x", "labels": placed}})]
    assert found == [Node("w", "m", "w-m-p1"), Node("w", "m", "w-m-p1/3")]
