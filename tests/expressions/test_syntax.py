import pytest

from fairlead.expressions import (
    BUILTINS,
    Call,
    Comparison,
    ExpressionError,
    Filter,
    Function,
    Index,
    Kind,
    LexingError,
    Literal,
    Logical,
    Name,
    Not,
    Operator,
    ParsingError,
    parse,
    unparse,
)

A, B, C = Name("a"), Name("b"), Name("c")


def _text(value: str) -> Literal:
    return Literal(Kind.STRING, value)


def _number(value: float) -> Literal:
    return Literal(Kind.NUMBER, value)


def test_or_binds_weakest_then_and_equality_relation_negation_access() -> None:
    """Each operator takes what binds more strongly as its operand."""
    assert parse("a || b && c == a < !b.c") == Logical(
        Operator.OR,
        (
            A,
            Logical(
                Operator.AND,
                (
                    B,
                    Comparison(Operator.EQUAL, C, Comparison(Operator.LESS, A, Not(Index(B, _text("c"))))),
                ),
            ),
        ),
    )


def test_comparisons_group_to_the_left() -> None:
    """`a < b < c` compares the outcome of the first with c."""
    assert parse("a < b < c") == Comparison(Operator.LESS, Comparison(Operator.LESS, A, B), C)


def test_a_chain_of_one_logical_operator_is_one_node() -> None:
    """A long condition costs one level of depth."""
    assert parse("a && b && c") == Logical(Operator.AND, (A, B, C))


def test_a_property_and_an_index_by_a_string_are_the_same() -> None:
    """`.x` is short for `['x']`."""
    assert parse("a.b") == parse("a['b']") == Index(A, _text("b"))


def test_a_star_is_a_filter_and_a_quoted_star_a_key() -> None:
    """Only the bare `*` filters."""
    assert [parse("a.*"), parse("a[*]"), parse("a['*']")] == [Filter(A), Filter(A), Index(A, _text("*"))]


@pytest.mark.parametrize("word", ["null", "true", "false", "NaN", "Infinity"])
def test_after_a_dot_every_word_is_a_property(word: str) -> None:
    """Keywords are no names, but properties may be called like them."""
    assert parse(f"a.{word}") == Index(A, _text(word))


def test_keywords_have_a_case() -> None:
    """`True` is a context's name."""
    assert [parse("true"), parse("True")] == [Literal(Kind.BOOLEAN, value=True), Name("True")]


@pytest.mark.parametrize(
    ("source", "value"),
    [("1", 1), ("-1", -1), ("+.5", 0.5), ("5.", 5), ("0xfF", 255), ("0o17", 15), ("1e3", 1000), ("-0", 0)],
)
def test_numbers(source: str, value: float) -> None:
    """Signs, fractions, exponents, hexadecimal and octal."""
    assert parse(source) == _number(value)


def test_a_doubled_quote_is_one_quote() -> None:
    """The only escape in a string."""
    assert parse("'it''s ''''quoted'''''") == _text("it's ''quoted''")


def test_any_unicode_white_space_separates_tokens() -> None:
    """As .NET's Char.IsWhiteSpace."""
    assert parse("\n a\u00a0&&\u3000b\t") == Logical(Operator.AND, (A, B))


def test_positions_are_offsets_in_the_source() -> None:
    """A node stands where its own token does; equality does not look at that."""
    node = parse("a.b == fromJson('1')")
    assert isinstance(node, Comparison)
    assert (node.position, node.left.position, node.right.position) == (4, 1, 7)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("a..b", "Unexpected symbol: '.b'. Located at position 3 within expression: a..b"),
        ("a.-b", "Unexpected symbol: '-b'. Located at position 3 within expression: a.-b"),
        ("'x'.y", "Unexpected symbol: '.y'. Located at position 4 within expression: 'x'.y"),
        ("1-2", "Unexpected symbol: '1-2'. Located at position 1 within expression: 1-2"),
        ("1_000", "Unexpected symbol: '1_000'. Located at position 1 within expression: 1_000"),
        ("-NaN", "Unexpected symbol: '-NaN'. Located at position 1 within expression: -NaN"),
        ("a = b", "Unexpected symbol: '='. Located at position 3 within expression: a = b"),
        ("a == 'b", "Unexpected symbol: ''b'. Located at position 6 within expression: a == 'b"),
        ('a == "b"', 'Unexpected symbol: \'"b"\'. Located at position 6 within expression: a == "b"'),
        ("a == ٣", "Unexpected symbol: '٣'. Located at position 6 within expression: a == ٣"),
    ],
)
def test_what_is_no_token(source: str, message: str) -> None:
    """The message quotes the whole sequence up to the next boundary."""
    with pytest.raises(LexingError) as caught:
        parse(source)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("a[", "Unexpected end of expression: '['. Located at position 2 within expression: a["),
        ("a.", "Unexpected end of expression: '.'. Located at position 2 within expression: a."),
        ("!", "Unexpected end of expression: '!'. Located at position 1 within expression: !"),
        ("join(a", "Unexpected end of expression: 'a'. Located at position 6 within expression: join(a"),
        (
            "join('a'",
            "Unexpected end of expression: ''a''. Located at position 6 within expression: join('a'",
        ),
        ("join(a,)", "Unexpected symbol: ')'. Located at position 8 within expression: join(a,)"),
        ("join(,a)", "Unexpected symbol: ','. Located at position 6 within expression: join(,a)"),
        ("()", "Unexpected symbol: ')'. Located at position 2 within expression: ()"),
        ("a]", "Unexpected symbol: ']'. Located at position 2 within expression: a]"),
        ("'a'[0]", "Unexpected symbol: '['. Located at position 4 within expression: 'a'[0]"),
        ("a.b(1)", "Unexpected symbol: '('. Located at position 4 within expression: a.b(1)"),
        ("true(1)", "Unexpected symbol: '('. Located at position 5 within expression: true(1)"),
        ("*", "Unexpected symbol: '*'. Located at position 1 within expression: *"),
        ("a.*b", "Unexpected symbol: 'b'. Located at position 4 within expression: a.*b"),
        ("a b", "Unexpected symbol: 'b'. Located at position 3 within expression: a b"),
        (
            "contains(a)",
            "Too few parameters supplied: 'contains'. Located at position 1 within expression: contains(a)",
        ),
        (
            "a||toJson(a,b)",
            "Too many parameters supplied: 'toJson'. Located at position 4 within expression: a||toJson(a,b)",
        ),
        (
            "case(a,b,c,a)",
            (
                "Even number of parameters supplied, requires an odd number of parameters: 'case'. "
                "Located at position 1 within expression: case(a,b,c,a)"
            ),
        ),
        ("x()", "Unrecognized function: 'x'. Located at position 1 within expression: x()"),
        ("x(y", "Unrecognized function: 'x'. Located at position 1 within expression: x(y"),
        ("", "An expression was expected"),
        (" \n", "An expression was expected"),
    ],
)
def test_what_stands_in_the_wrong_place(source: str, message: str) -> None:
    """The first problem in the order of the text is reported; an end is told with the token before it."""
    with pytest.raises(ParsingError) as caught:
        parse(source)
    assert caught.value.message == message


def test_unknown_names_are_errors_where_the_names_are_known() -> None:
    """Without a list of names any will do; with one, their case does not matter."""
    assert parse("A.b", names=["a"]) == parse("A.b")
    with pytest.raises(ParsingError) as caught:
        parse("a.b && c", names=["a", "b"])
    assert (caught.value.message, caught.value.position) == (
        "Unrecognized named-value: 'c'. Located at position 8 within expression: a.b && c",
        7,
    )


def test_functions_can_be_added() -> None:
    """A caller's function is known by its arity, and its name has no case."""
    functions = BUILTINS.extended(Function("always", 0, 0, lambda: True))
    assert parse("ALWAYS()", functions=functions) == Call("ALWAYS", ())
    with pytest.raises(ParsingError, match="Too many parameters supplied: 'always'"):
        parse("always(1)", functions=functions)
    with pytest.raises(ParsingError, match="Unrecognized function: 'always'"):
        parse("always()")


@pytest.mark.parametrize("level", ["(", "!", "a[", "toJson("])
def test_fifty_levels_and_no_more(level: str) -> None:
    """Whatever makes a level, the 51st is one too many."""
    closing = {"(": ")", "!": "", "a[": "]", "toJson(": ")"}[level]
    parse(level * 49 + "1" + closing * 49)
    with pytest.raises(ParsingError, match="Exceeded max expression depth 50"):
        parse(level * 50 + "1" + closing * 50)


def test_a_long_chain_of_accesses_or_comparisons_is_deep() -> None:
    """They nest to the left, so the limit holds for them without any bracket."""
    parse("a" + ".b" * 49)
    parse("==".join(["1"] * 50))
    for source in ("a" + ".b" * 50, "==".join(["1"] * 51)):
        with pytest.raises(ParsingError, match="Exceeded max expression depth 50"):
            parse(source)


def test_the_length_is_limited() -> None:
    """21,000 characters are read, one more is an error that does not repeat them."""
    parse("'" + "x" * 20_998 + "'")
    with pytest.raises(ExpressionError) as caught:
        parse("'" + "x" * 20_999 + "'")
    assert (caught.value.kind, caught.value.message) == ("lexing", "Exceeded max expression length 21000")


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("a['b']['not a name'][0]", "a.b['not a name'][0]"),
        ("a[*].b", "a.*.b"),
        ("((a))&&(b||c)", "a && (b || c)"),
        ("(a&&b)&&c", "(a && b) && c"),
        ("(a<b)==c", "a < b == c"),
        ("a==(b==c)", "a == (b == c)"),
        ("!(a==b)", "!(a == b)"),
        ("(!a).b", "(!a).b"),
        ("('x')[0]", "('x')[0]"),
        ("Format('{0}''',a , 0x10,-Infinity)", "Format('{0}''', a, 16, -Infinity)"),
    ],
)
def test_unparse_writes_the_plainest_form(source: str, written: str) -> None:
    """Only the parentheses that are needed, properties with dots, decimal numbers."""
    assert unparse(parse(source)) == written
