import pytest

from fairlead.expressions import ANY, Reference, calls, parse, parse_template, references


@pytest.mark.parametrize(
    ("source", "paths"),
    [
        ("needs.build.outputs.version", [("needs", "build", "outputs", "version")]),
        ("needs['build'].outputs['a b']", [("needs", "build", "outputs", "a b")]),
        ("needs.*.result", [("needs", ANY, "result")]),
        ("needs[matrix.name].result", [("needs",), ("matrix", "name")]),
        (
            "needs.a[matrix.b[env.c]].d[inputs.e]",
            [("needs", "a"), ("matrix", "b"), ("env", "c"), ("inputs", "e")],
        ),
        ("labels[0][true]", [("labels", "0", "true")]),
        ("fromJson(inputs.a).b[inputs.c]", [("inputs", "a"), ("inputs", "c")]),
        ("(a || b).c", [("a",), ("b",)]),
        ("!a == (b && a)", [("a",), ("b",), ("a",)]),
        ("format('{0}', Needs)", [("Needs",)]),
        ("'needs.build'", []),
    ],
)
def test_references(source: str, paths: list[tuple[str, ...]]) -> None:
    """Paths as far as they are static, in the order of the text, and those inside computed indexes."""
    assert references(parse(source)) == tuple(Reference(path) for path in paths)


def test_positions_point_to_the_name() -> None:
    """In a template they count from its start."""
    found = references(parse_template("v${{ a.b }}-${{ c[a] }}"))
    assert [(reference.path, reference.position) for reference in found] == [
        (("a", "b"), 5),
        (("c",), 16),
        (("a",), 18),
    ]


def test_paths_are_compared_without_case() -> None:
    """A reference keeps the words of the source, for messages."""
    reference = Reference(("Needs", "build", "outputs"))
    assert [
        reference.starts_with("needs"),
        reference.starts_with("NEEDS", "Build"),
        reference.starts_with("needs", "test"),
        reference.starts_with("needs", "build", "outputs", "x"),
    ] == [True, True, False, False]


def test_calls() -> None:
    """The functions used, at any depth, in lower case."""
    assert calls(parse("fromJSON(toJson(a)).b[Format('x')] && contains(b, 1)")) == {
        "fromjson",
        "tojson",
        "format",
        "contains",
    }
    assert calls(parse_template("${{ join(a) }} ${{ b }}")) == {"join"}
    assert calls(parse("a.b")) == frozenset()
