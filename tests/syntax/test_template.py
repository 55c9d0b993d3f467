from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.model.problem import InvalidWorkflowError
from fairlead.model.spec import Input, InputType
from fairlead.syntax import parse_spec
from fairlead.syntax.template import instantiate, parse_template_spec
from tests.builders import a_spec

if TYPE_CHECKING:
    from collections.abc import Mapping

INPUTS: dict[str, Any] = {
    "text": {},
    "count": {"type": "number"},
    "dry": {"type": "boolean"},
    "level": {"type": "choice", "options": ["low", "high"]},
}


def a_template(inputs: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Give a template's spec with inputs."""
    return a_spec().job("make").but(inputs=dict(inputs or {})).document()


def problems_of(document: Mapping[str, Any]) -> list[str]:
    """Give what is wrong with a template."""
    with pytest.raises(InvalidWorkflowError) as caught:
        parse_template_spec(document)
    return [str(problem) for problem in caught.value.problems]


def refused(inputs: Mapping[str, Any], **given: Any) -> list[str]:  # noqa: ANN401  whatever callers write
    """Give what is wrong with the values for a template's inputs."""
    with pytest.raises(InvalidWorkflowError) as caught:
        instantiate(a_template(inputs), given)
    return [str(problem) for problem in caught.value.problems]


def value(declared: Mapping[str, Any], given: object) -> object:
    """Give the value that an input has."""
    found: object = instantiate(a_template({"x": declared}), {"x": given})["inputs"]["x"]  # type: ignore[dict-item]
    return found


# What a template says


def test_template() -> None:
    """A template's inputs are read with what they say nothing about."""
    inputs = {
        "version": {"required": True, "description": "what to build"},
        "dry": {"type": "boolean", "default": True},
    }
    assert parse_template_spec(a_template(inputs)).inputs == {
        "version": Input(required=True, description="what to build"),
        "dry": Input(type=InputType.BOOLEAN, default=True),
    }


def test_checked_as_a_workflow() -> None:
    """Everything that is wrong with jobs is wrong in a template, too, and said in the same words."""
    document = {
        "inputs": {"version": {}},
        "outputs": {"a": "${{ jobs.biuld.outputs.a }}"},
        "jobs": {
            "build": {"image": "a", "comands": ["make"]},
            "test": {"image": "a", "commands": ["make ${{ inputs.versoin }}"], "needs": ["biuld"]},
        },
    }
    assert problems_of(document) == [
        'spec.outputs.a: "jobs.biuld.outputs.a": no job "biuld"; did you mean "build"?',
        "spec.jobs.build: nothing to run; give it steps, commands, a check or uses",
        'spec.jobs.build.comands: unknown field; did you mean "commands"?',
        'spec.jobs.test.commands[0]: "inputs.versoin": no input "versoin"; did you mean "version"?',
        'spec.jobs.test.needs[0]: no job "biuld"; did you mean "build"?',
    ]


BAD_NAME = "a name has letters, digits, - and _, starts with a letter or _, at most 63 of them"
BAD_VALUE = "an input is a text, a number, true or false; write a list as JSON text and read it by fromJSON"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "spec.jobs: there are no jobs; a template has at least one"),
        ({**a_template(), "schedules": []}, "spec.schedules: unknown field"),
        ({**a_template(), "uses": "another"}, "spec.uses: unknown field"),
        (a_template({"x": "text"}), "spec.inputs.x: write a map (KEY: VALUE)"),
        (a_template({"a b": {}}), f'spec.inputs["a b"]: {BAD_NAME}'),
        (a_template({"x": {"requried": True}}), 'spec.inputs.x.requried: unknown field; did you mean "required"?'),
        (
            a_template({"x": {"type": "chioce", "options": ["a"], "default": "b"}}),
            'spec.inputs.x.type: "chioce" is none of string, number, boolean, choice; did you mean "choice"?',
        ),
        (a_template({"x": {}, "X": {}}), 'spec.inputs.X: duplicate name: "x" differs only in case'),
        (
            a_template({"x": {"type": "choice"}}),
            "spec.inputs.x.options: is missing: a choice needs the values to choose from",
        ),
        (
            a_template({"x": {"options": ["a"]}}),
            "spec.inputs.x.options: means nothing here: a string has none; write type: choice",
        ),
        (
            a_template({"x": {"type": "choice", "options": ["a", "b", "a"]}}),
            'spec.inputs.x.options[2]: "a" is listed twice',
        ),
        (
            a_template({"x": {"type": "choice", "options": ["low", "high"], "default": "hihg"}}),
            'spec.inputs.x.default: "hihg" is none of "low", "high"; did you mean "high"?',
        ),
        (a_template({"x": {"type": "number", "default": "three"}}), 'spec.inputs.x.default: "three" is not a number'),
        (
            a_template({"x": {"type": "boolean", "default": 1}}),
            'spec.inputs.x.default: "1" is neither true nor false',
        ),
        (
            a_template({"x": {"default": "a", "required": True}}),
            "spec.inputs.x.default: is never used: the input is required; leave one of the two out",
        ),
        (a_template({"x": {"default": ["a"]}}), f"spec.inputs.x.default: {BAD_VALUE}"),
    ],
)  # fmt: skip
def test_wrong_template(document: dict[str, Any], said: str) -> None:
    """What no caller could make sense of is said, with its place."""
    assert problems_of(document) == [said]


# What is made of it


def test_instance() -> None:
    """A Workflow's spec is the template's, with values where there were declarations."""
    document = a_template(INPUTS)
    made = instantiate(document, {"text": "a", "count": 2, "dry": True, "level": "high"})
    assert made == {**document, "inputs": {"text": "a", "count": 2, "dry": True, "level": "high"}}


def test_left_out() -> None:
    """What isn't given has its default, and else what its type has for nothing."""
    defaults = {
        "with_text": {"default": "a"},
        "with_number": {"type": "number", "default": "1.5"},
        "with_false": {"type": "boolean", "default": False},
        "with_choice": {"type": "choice", "options": ["low", "high"], "default": "high"},
    }
    assert instantiate(a_template({**INPUTS, **defaults}), {})["inputs"] == {
        "text": "",
        "count": 0,
        "dry": False,
        "level": "low",
        "with_text": "a",
        "with_number": 1.5,
        "with_false": False,
        "with_choice": "high",
    }


@pytest.mark.parametrize(
    ("declared", "given", "expected"),
    [
        ("text", "3", "3"),
        ("text", 3, "3"),
        ("text", 3.0, "3"),
        ("text", 0.5, "0.5"),
        ("text", True, "true"),
        ("count", "3", 3),
        ("count", " -1.50 ", -1.5),
        ("count", "1e3", 1000),
        ("count", 3.0, 3),
        ("count", "9" * 30, 1e30),
        ("dry", "true", True),
        ("dry", "False", False),
        ("level", "high", "high"),
    ],
)
def test_converted(declared: str, given: object, expected: object) -> None:
    """Values come as texts from expressions and maps; each becomes the type that the template wants."""
    found = value(INPUTS[declared], given)
    assert (found, type(found)) == (expected, type(expected))


def test_choice_of_numbers() -> None:
    """An option that looks like a number can be given as one."""
    assert value({"type": "choice", "options": ["3.12", "3.13"]}, 3.12) == "3.12"


MANY = {"type": "choice", "options": [f"o{index}" for index in range(30)]}


@pytest.mark.parametrize(
    ("declared", "given", "said"),
    [
        ("count", "three", '"three" is not a number'),
        ("count", "", '"" is not a number'),
        ("count", "nan", '"nan" is not a number'),
        ("count", "1_000", '"1_000" is not a number'),
        ("count", True, '"true" is not a number'),
        ("count", "1e999", "is too large for a number"),
        ("count", 10**400, "is too large for a number"),
        ("dry", "yes", '"yes" is neither true nor false'),
        ("dry", 1, '"1" is neither true nor false'),
        ("level", "hihg", '"hihg" is none of "low", "high"; did you mean "high"?'),
        ("level", "\x1b[31m", '"\\x1b[31m" is none of "low", "high"'),
    ],
)
def test_wrong_value(declared: str, given: object, said: str) -> None:
    """A value that doesn't fit is named, with its input, and harmless to a terminal."""
    assert refused({"x": INPUTS[declared]}, x=given) == [f"with.x: {said}"]


def test_many_options() -> None:
    """Of many options the first ones are shown."""
    (said,) = refused({"x": MANY}, x="none")
    assert said.startswith('with.x: "none" is none of "o0", "o1"')
    assert said.endswith('"o19", …')


def test_all_at_once() -> None:
    """Everything that is wrong with a call is said at once: what there isn't, what is missing, what doesn't fit."""
    inputs = {
        "version": {"required": True},
        "count": {"type": "number", "required": True},
        "dry": {"type": "boolean", "required": True},
        "level": {**INPUTS["level"], "required": True},
        "size": {"type": "number"},
    }
    assert refused(inputs, versoin="1", size="big") == [
        'with.versoin: the template has no such input; did you mean "version"?',
        "with.version: is missing: the template needs a text",
        "with.count: is missing: the template needs a number",
        "with.dry: is missing: the template needs true or false",
        'with.level: is missing: the template needs one of "low", "high"',
        'with.size: "big" is not a number',
    ]


def test_wrong_template_can_t_be_called() -> None:
    """What is wrong with the template itself comes before the values."""
    with pytest.raises(InvalidWorkflowError) as caught:
        instantiate({"jobs": {}}, {"a": 1})
    assert str(caught.value) == "spec.jobs: there are no jobs; a template has at least one"


VALUES = st.text(max_size=5) | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans()


@given(st.dictionaries(st.sampled_from([*INPUTS, "unknown"]), VALUES))
def test_any_values(given: dict[str, Any]) -> None:
    """Whatever is given: either it is refused, or what is made is a workflow whose inputs are of their types."""
    try:
        inputs = parse_spec(instantiate(a_template(INPUTS), given)).inputs
    except InvalidWorkflowError as error:
        places = {problem.path[0] for problem in error.problems}
    else:
        kinds = {"text": str, "count": int | float, "dry": bool, "level": str}
        places = {"with" if isinstance(inputs[name], kind) else name for name, kind in kinds.items()}
    assert places == {"with"}
