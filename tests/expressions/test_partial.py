"""Partial evaluation: what is known is decided, the rest keeps its meaning."""

import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fairlead.expressions import (
    BUILTINS,
    Call,
    Comparison,
    EvaluationError,
    ExpressionError,
    Filter,
    Function,
    Index,
    Kind,
    Literal,
    Logical,
    Name,
    Node,
    Not,
    Operator,
    evaluate,
    fold,
    parse,
    references,
    simplify,
    unparse,
)
from fairlead.expressions.limits import MAX_LENGTH

CONTEXTS: dict[str, Any] = {
    "inputs": {"x": "a", "n": 3, "no": False, "half": 0.5, "nothing": None, "list": ["a", "b"], "Step": "build"},
    "job": {"container": {"id": "c1"}, "services": {"db": {"ports": {"5432": "5000"}}}},
    "big": "x" * 30_000,
}
UNKNOWN = ("steps", "job.status", "hashFiles", "success")
FUNCTIONS = BUILTINS.extended(
    Function("success", 0, 0, lambda: True),
    Function("hashFiles", 1, 255, lambda *patterns: "".join(map(str, patterns))),
)


def _simplified(source: str) -> str:
    return unparse(simplify(parse(source, functions=FUNCTIONS), CONTEXTS, FUNCTIONS, unknown=UNKNOWN))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("inputs.x", "'a'"),
        ("INPUTS.n", "3"),
        ("inputs.half", "0.5"),
        ("inputs.nothing", "null"),
        ("inputs.missing.at.all", "null"),
        ("inputs.n > 2 && 'yes'", "'yes'"),
        ("inputs.list", "inputs.list"),
        ("inputs.list[0]", "'a'"),
        ("inputs.*", "inputs.*"),
        ("toJson(inputs.list[1])", "'\"b\"'"),
        ("format('{0}-{1}', inputs.x, steps.a.outputs.b)", "format('{0}-{1}', 'a', steps.a.outputs.b)"),
        ("contains(inputs.list, steps.a.outcome)", "contains(inputs.list, steps.a.outcome)"),
        ("fromJson(format('[{0}]', inputs.n))[steps.i]", "fromJson('[3]')[steps.i]"),
        ("steps[inputs.step].outputs[inputs.x]", "steps.build.outputs.a"),
        ("inputs[steps.a.outputs.name]", "inputs[steps.a.outputs.name]"),
        ("inputs.x[steps.a]", "null"),
        ("steps.*.outcome", "steps.*.outcome"),
        ("success() && inputs.x == 'A'", "success() && true"),
        ("SUCCESS()", "SUCCESS()"),
        ("hashfiles(inputs.x)", "hashfiles('a')"),
        ("!inputs.no", "true"),
        ("!steps.a", "!steps.a"),
        ("steps.a == inputs.x", "steps.a == 'a'"),
    ],
)
def test_decides_what_is_known(source: str, expected: str) -> None:
    """Scalars become literals; arrays, objects and what is unknown stay."""
    assert _simplified(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("false && steps.x", "false"),
        ("inputs.no && steps.x", "false"),
        ("'' && steps.x", "''"),
        ("true && steps.x", "steps.x"),
        ("inputs.x && steps.x", "steps.x"),
        ("inputs.list && steps.x", "steps.x"),
        ("inputs.list || steps.x", "inputs.list"),
        ("true || steps.x", "true"),
        ("inputs.x || steps.x", "'a'"),
        ("inputs.no || steps.x", "steps.x"),
        ("steps.x && true", "steps.x && true"),
        ("steps.x && inputs.no", "steps.x && false"),
        ("steps.x && true && steps.y", "steps.x && steps.y"),
        ("steps.x && inputs.no && steps.y", "steps.x && false"),
        ("steps.x || inputs.x || steps.y", "steps.x || 'a'"),
        ("steps.x || false || steps.y", "steps.x || steps.y"),
        ("(false && steps.x) == false", "true"),
        ("!(true || steps.x)", "false"),
        ("(true && job).container.id", "'c1'"),
        ("case(inputs.no, steps.a, inputs.n == 3, steps.b, steps.c)", "steps.b"),
        ("case(inputs.no, steps.a, steps.b)", "steps.b"),
        ("case(success(), steps.a, inputs.no, steps.b, true, inputs.x, steps.c)", "case(success(), steps.a, 'a')"),
        ("case(true, inputs.x, steps.b)", "'a'"),
        ("case(false, fromJson('['), inputs.x)", "'a'"),
    ],
)
def test_stops_where_the_known_side_decides(source: str, expected: str) -> None:
    """`&&`, `||` and `case` give an operand, which stays exactly what it was."""
    assert _simplified(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("job.status", "job.status"),
        ("JOB['Status']", "JOB.Status"),
        ("job.container.id", "'c1'"),
        ("job.services.db.ports['5432']", "'5000'"),
        ("toJson(job.container) == ''", "false"),
        ("toJson(job)", "toJson(job)"),
        ("job.*", "job.*"),
        ("job.container.*", "job.container.*"),
        ("job[steps.x]", "job[steps.x]"),
        ("job['con' && 'container'].id", "'c1'"),
        ("job.status.length", "job.status.length"),
    ],
)
def test_a_path_is_unknown(source: str, expected: str) -> None:
    """Only what leads through it, or around it, is."""
    assert _simplified(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        "fromJson('[')",
        "fromJson('[') && steps.x",
        "true && fromJson('[') && steps.x",
        "format('{0}{1}', steps.x, fromJson('['))",
        "steps.x == fromJson('[')",
        "!fromJson('[')",
        "hashFiles(fromJson('['))",
        "inputs.list[fromJson('[')]",
        "case(fromJson('['), steps.x, 1)",
        "case(inputs.no, steps.x, fromJson('['))",
        "case(inputs.x, steps.x, 1)",
        "case('', 1, steps.x)",
        "fromJson('[')[steps.x]",
        "toJson(fromJson('[').*)",
        "unheard_of.x && steps.x",
    ],
)
def test_a_mistake_that_is_certain(source: str) -> None:
    """It is the error that evaluating gives, with its place."""
    with pytest.raises(EvaluationError) as early:
        simplify(parse(source, functions=FUNCTIONS), CONTEXTS, FUNCTIONS, unknown=UNKNOWN, source=source)
    with pytest.raises(EvaluationError) as late:
        evaluate(parse(source, functions=FUNCTIONS), {**CONTEXTS, "steps": {}, "job": {}}, FUNCTIONS)
    assert (early.value.message, early.value.position, early.value.source) == (
        late.value.message,
        late.value.position,
        source,
    )


@pytest.mark.parametrize(
    "source",
    [
        "steps.x && fromJson('[')",
        "steps.x || fromJson('[') || true",
        "steps.x[fromJson('[')]",
        "case(success(), fromJson('['), 1)",
        "case(success(), 1, fromJson('['), 2, fromJson('['))",
        "case(success(), 1, 'no boolean', 2, 3)",
        "steps.x && case('no boolean', 2, 3)",
        "steps.x && unheard_of.y",
    ],
)
def test_a_mistake_that_may_never_matter(source: str) -> None:
    """It stays where it is."""
    assert _simplified(source) == source


def test_a_mistake_that_never_matters() -> None:
    """It goes away, with what it stood in."""
    assert _simplified("steps.x && false && fromJson('[')") == "steps.x && false"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("big", "big"),
        ("contains(big, 'x') && steps.x", "steps.x"),
        ("format('{0}{1}', big, steps.x)", "format('{0}{1}', big, steps.x)"),
        ("endsWith(big, steps.x) && inputs.x", "endsWith(big, steps.x) && 'a'"),
    ],
)
def test_a_text_that_no_expression_can_hold(source: str, expected: str) -> None:
    """What needs it is decided all the same; itself it stays as it was."""
    assert _simplified(source) == expected


def test_too_long_a_result() -> None:
    """Then the expression stays as it was, for it has to be parsed again."""
    node = parse("format('{0}{1}{2}', a, a, steps.x)")
    contexts = {"a": "x" * (MAX_LENGTH // 2)}
    assert simplify(node, contexts, unknown={"steps"}) == node


def test_the_share_of_work_is_that_of_one_evaluation() -> None:
    """What may never be evaluated doesn't use up the share of what is."""
    text = "x" * (1 << 20)
    expensive = " == ".join(["format('{0}', a)"] * 2)
    node = parse(f"(steps.x && ({expensive})) == ({expensive})")
    assert unparse(simplify(node, {"a": text}, unknown={"steps"})).endswith("== true")


def test_a_context_that_is_taken_over_and_over() -> None:
    """Each part is evaluated once, however deep the tree."""
    depth = 40
    node = parse("a" + ".*" * depth)
    contexts = {"a": [[[1] * 1000] * 100]}
    assert simplify(node, contexts, unknown={"steps"}) == node


SCALARS: st.SearchStrategy[Node] = st.one_of(
    st.just(Literal(Kind.NULL, None)),
    st.booleans().map(lambda value: Literal(Kind.BOOLEAN, value)),
    st.sampled_from([0, 1, -1, 0.5, 1e30, math.inf, math.nan]).map(lambda value: Literal(Kind.NUMBER, value)),
    st.sampled_from(["", "a", "x", "it's", "status", "[1, {}]", "{0}", "${{ }}"]).map(
        lambda value: Literal(Kind.STRING, value)
    ),
)
KEYS: st.SearchStrategy[Node] = st.sampled_from(["a", "x", "status", "list", "*"]).map(
    lambda key: Literal(Kind.STRING, key)
)
NAMES: st.SearchStrategy[Node] = st.sampled_from(["known", "KNOWN", "mixed", "unknown", "absent"]).map(Name)
COMPARING = st.sampled_from(sorted(set(Operator) - {Operator.AND, Operator.OR}))
LOGICAL = st.sampled_from([Operator.AND, Operator.OR])


@st.composite
def _calls(draw: st.DrawFn, nodes: st.SearchStrategy[Node]) -> Node:
    name = draw(st.sampled_from([*FUNCTIONS, "case", "case", "fromJson"]))
    function = FUNCTIONS[name]
    most = min(function.max_args, function.min_args + 2)
    arguments = draw(st.lists(nodes, min_size=function.min_args, max_size=most))
    if function.odd_args and len(arguments) % 2 == 0:
        arguments.pop()
    return Call(name, tuple(arguments))


def _composed(nodes: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    return st.one_of(
        st.builds(Index, nodes, KEYS),
        st.builds(Index, nodes, nodes),
        st.builds(Filter, nodes),
        st.builds(Not, nodes),
        st.builds(Comparison, COMPARING, nodes, nodes),
        st.builds(Logical, LOGICAL, st.lists(nodes, min_size=2, max_size=4).map(tuple)),
        _calls(nodes),
    )


TREES = st.recursive(SCALARS | NAMES | NAMES, _composed, max_leaves=16)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.sampled_from(["", "a", "x", "1", "[2]"]),
    lambda values: (
        st.lists(values, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "x", "X", "status", "list", "*"]), values, max_size=3)
    ),
    max_leaves=8,
)


def _outcome(node: Node, contexts: dict[str, Any], functions: Any) -> object:  # noqa: ANN401  a table of functions
    """Give the value, comparable whatever it is, or that there is none."""
    try:
        return repr(evaluate(node, contexts, functions))
    except ExpressionError:
        return ExpressionError


@given(TREES, JSON, st.dictionaries(st.sampled_from(["a", "x", "status"]), JSON), JSON, JSON)
@example(parse("known.x && unknown"), {"x": ""}, {}, 1, 1)
@example(parse("(unknown || known) == known"), {"x": ""}, {}, 0, 1)
@example(parse("mixed.x.a"), 1, {"x": {"a": 1}}, 0, 1)
@example(parse("mixed[known]"), "status", {"status": 1}, 0, 1)
def test_a_simplified_expression_means_the_same(
    node: Node,
    known: object,
    mixed: dict[str, object],
    status: object,
    unknown: object,
) -> None:
    """Whatever the unknown turns out to be; it names nothing new, and can be written and read."""
    functions = FUNCTIONS.extended(Function("success", 0, 0, lambda: bool(status)))
    now = {"known": known, "mixed": {key: value for key, value in mixed.items() if key != "status"}}
    later = {"known": known, "mixed": {**now["mixed"], "status": status}, "unknown": unknown}  # type: ignore[dict-item]
    expected = _outcome(node, later, functions)
    try:
        simplified = simplify(
            node, now, FUNCTIONS, unknown=["Unknown", "MIXED.status", "SUCCESS", "hashfiles"], source=""
        )
    except EvaluationError:
        assert expected is ExpressionError
        return
    again = parse(unparse(simplified), functions=functions)
    assert (_outcome(simplified, later, functions), _outcome(again, later, functions)) == (expected, expected)
    before = {tuple(map(fold, each.path)) for each in references(node)}
    after = {tuple(map(fold, each.path)) for each in references(simplified)}
    longer = {path for path in after if not any(path[: len(each)] == each for each in before)}
    assert longer == set()


@given(TREES, JSON)
def test_with_nothing_unknown_it_is_evaluated(node: Node, known: object) -> None:
    """What is left is a literal, or has a value that no literal can hold."""
    contexts = {"known": known, "mixed": {}, "unknown": []}
    expected = _outcome(node, contexts, FUNCTIONS)
    if expected is ExpressionError:
        with pytest.raises(EvaluationError):
            simplify(node, contexts, FUNCTIONS, unknown=())
        return
    simplified = simplify(node, contexts, FUNCTIONS, unknown=())
    value = evaluate(node, contexts, FUNCTIONS)
    assert isinstance(simplified, Literal) is not isinstance(value, list | dict)
