from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.syntax.source import Dialect, Position, SourceError, read_documents


def values(text: str, dialect: Dialect = Dialect.KUBERNETES) -> list[object]:
    """Give the values of a text's documents."""
    return [document.value for document in read_documents(text, dialect)]


def mistake(text: str) -> tuple[str, Position | None]:
    """Give what is wrong with a text, and where."""
    with pytest.raises(SourceError) as caught:
        read_documents(text)
    return caught.value.message, caught.value.position


@pytest.mark.parametrize(
    ("text", "kubernetes", "core"),
    [
        ("yes", True, "yes"),
        ("Off", False, "Off"),
        ("y", True, "y"),
        ("No", False, "No"),
        ("true", True, True),
        ("'true'", "true", "true"),
        ("010", 8, 10),
        ("0o10", 8, 8),
        ("0x1F", 31, 31),
        ("0b101", 5, "0b101"),
        ("1_000", 1000, "1_000"),
        ("3.10", 3.1, 3.1),
        ("1e3", 1000.0, 1000.0),
        ("-5", -5, -5),
        ("22:30", "22:30", "22:30"),
        ("2026-01-02", "2026-01-02", "2026-01-02"),
        ("~", None, None),
        ("null", None, None),
        ("nullable", "nullable", "nullable"),
        ("1.2.3", "1.2.3", "1.2.3"),
        (".5", 0.5, 0.5),
    ],
)
def test_plain_words(text: str, kubernetes: object, core: object) -> None:
    """A plain word is what kubectl makes of it, or what YAML 1.2 does."""
    read = [values(f"a: {text}", dialect)[0] for dialect in (Dialect.KUBERNETES, Dialect.CORE)]
    assert (read, [type(each["a"]) for each in read if isinstance(each, dict)]) == (
        [{"a": kubernetes}, {"a": core}],
        [type(kubernetes), type(core)],
    )


def test_json() -> None:
    """JSON is read, too, with tabs and with what it escapes in pairs."""
    text = json.dumps({"a": "\U0001f680 b", "c": [1, None], "d": "\\ud83d\\ude80"})
    assert [each.value for each in read_documents(text)] == [json.loads(text)]
    assert [each.value for each in read_documents('{\t"a":\n\t\t[1]}')] == [{"a": [1]}]


def test_keys_are_texts() -> None:
    """Keys are what JSON has: `on` is "true" to Kubernetes, a number its digits."""
    assert (values("on: 1\n2: b\n"), values("on: 1\n2: b\n", Dialect.CORE)) == (
        [{"true": 1, "2": "b"}],
        [{"on": 1, "2": "b"}],
    )


def test_documents() -> None:
    """Empty documents are left out; of several each has places in the whole text."""
    found = read_documents("---\n# nothing\n---\na: 1\n---\n- b\n")
    assert [(each.value, each.values[()]) for each in found] == [
        ({"a": 1}, Position(4, 1)),
        (["b"], Position(6, 1)),
    ]


def test_nothing() -> None:
    """A text without a document has none."""
    assert [read_documents(text) for text in ("", "# only a comment\n", "---\n---\n")] == [[], [], []]


TEXT = """\
spec:
  jobs:
    build: {image: a, steps: [run: make,
      run: test]}
    "quoted key": |
      several
      lines
  größe: x  # after what isn't ASCII
"""


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("spec",), (1, 1)),
        (("spec", "jobs", "build", "image"), (3, 13)),
        (("spec", "jobs", "build", "steps", 1), (4, 7)),
        (("spec", "jobs", "build", "steps", 1, "run"), (4, 7)),
        (("spec", "jobs", "quoted key"), (5, 5)),
        (("spec", "größe"), (8, 3)),
        (("spec", "jobs", "build", "missing", "deeper"), (3, 5)),
        (("nowhere",), (1, 1)),
        ((), (1, 1)),
    ],
)
def test_places(path: tuple[str | int, ...], place: tuple[int, int]) -> None:
    """A part is found by its key, or in a list by itself; what is missing by what it would be in."""
    (document,) = read_documents(TEXT)
    assert document.position(path) == Position(*place)


def test_value_places() -> None:
    """Values have places of their own, in characters and not in bytes."""
    (document,) = read_documents(TEXT)
    wanted: list[tuple[str | int, ...]] = [("spec", "jobs", "build", "image"), ("spec", "größe")]
    assert [document.values[path] for path in wanted] == [Position(3, 20), Position(8, 10)]


def test_duplicate_keys() -> None:
    """A key that stands twice counts as its last says, and its second place is remembered."""
    (document,) = read_documents("a:\n  b: 1\n  c: 2\n  b: 3\n")
    assert (document.value, document.duplicates) == (
        {"a": {"b": 3, "c": 2}},
        ((("a", "b"), Position(4, 3)),),
    )


def test_anchors_and_merges() -> None:
    """Aliases repeat a value with its places; a merge gives way to what the map says itself."""
    text = "base: &base {image: a, shell: b}\njob:\n  <<: *base\n  image: c\nalso: *base\n"
    (document,) = read_documents(text)
    assert (document.value, document.keys["job", "shell"], document.keys["also", "image"]) == (
        {
            "base": {"image": "a", "shell": "b"},
            "job": {"image": "c", "shell": "b"},
            "also": {"image": "a", "shell": "b"},
        },
        Position(1, 24),
        Position(1, 14),
    )


BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{level}: &a{level} [{','.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 12)
)

MISTAKES: dict[str, tuple[str, str, tuple[int, int] | None]] = {
    "not YAML": ("a: b: c\n", "not YAML: mapping values are not allowed in this context", (1, 5)),
    "a list that isn't closed": (
        "a:\n  b: [c,\n",
        "not YAML: did not find expected node content",
        (3, 1),
    ),
    "a text that isn't closed": (
        'a: "b\n\nc: d\n',
        "not YAML: found unexpected end of stream, while scanning a quoted scalar that begins at line 1, column 4",
        (4, 1),
    ),
    "a tab": ("a:\n\tb: c\n", "not YAML: found character that cannot start any token", (2, 1)),
    "an unknown anchor": ("a: *b\n", "not YAML: found undefined alias", (1, 4)),
    "a tag": ("a: !!python/object:os.system {}\n", 'the tag "python/object:os.system" means nothing here', (1, 4)),
    "a set": ("a: !!set {b}\n", 'the tag "set" means nothing here', (1, 4)),
    "a key that is a list": ("[a]: b\n", "a key has to be a text, not a list or a map", (1, 1)),
    "a merge of a text": ("<<: a\n", "only maps can be merged with <<", (1, 5)),
    "no number of JSON's": ("a: .inf\n", '".inf" is no number that JSON has; put it into quotes', (1, 4)),
    "a digit that isn't octal": ("a: !!int x\n", '"x" is not a whole number', (1, 4)),
    "a control character": (
        "a: b\nc: \x1b[2J\n",
        "a character that YAML doesn't allow; write it as an escape in double quotes",
        (2, 4),
    ),
    "an anchor in itself": ("a: &a [*a]\n", "", None),
    "depth": ("[" * 5000, "it is nested more than 200 levels deep", (1, 201)),
    "a bomb": (BOMB, "it has more than 500000 values, counting what its aliases repeat", None),
    "five megabytes": ("a: b\n" * 1_100_000, "it has more than 3 MiB, which no cluster would take", None),
}


@pytest.mark.parametrize(("text", "message", "place"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes(text: str, message: str, place: tuple[int, int] | None) -> None:
    """What can't be read is told with its place, in a line."""
    said, position = mistake(text)
    assert (said if message else "", said.isprintable()) == (message, True)
    assert place is None or position == Position(*place)


scalars = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=20)
json_documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(min_size=1, max_size=8), json_documents, max_size=4))
def test_what_yaml_writes(document: dict[str, Any]) -> None:
    """What a YAML library wrote with all its texts quoted is read back, and each part has a place."""
    import yaml  # noqa: PLC0415  only this test writes YAML

    class Quoting(yaml.SafeDumper):
        def represent_str(self, data: str) -> yaml.ScalarNode:
            return self.represent_scalar("tag:yaml.org,2002:str", data, style='"')

    Quoting.add_representer(str, Quoting.represent_str)
    text = yaml.dump(document, Dumper=Quoting, allow_unicode=False)
    (read,) = read_documents(text)
    lines = text.count("\n") + 1
    assert (read.value, [at for at in read.values.values() if not 1 <= at.line <= lines]) == (document, [])


@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    """Any text is read, or refused with a message that is one line."""
    said = ""
    try:
        read_documents(text)
    except SourceError as error:
        said = str(error)
    assert said.isprintable()
