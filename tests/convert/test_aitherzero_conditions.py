"""Conditions in PowerShell, as expressions: what they come to, with PowerShell's precedence and types."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.convert.aitherzero.conditions import ConditionError, Operand, Type, convert_condition, literal
from fairlead.expressions import parse, unparse
from fairlead.model.status_functions import CONDITION_FUNCTIONS


def named(path: tuple[str, ...]) -> Operand:
    """Give `$env:X` as a text, `$Features` as a list, anything else as an input."""
    match path:
        case ("env", name):
            return Operand(f"env.{name}", Type.TEXT)
        case ("variable", "Features"):
            return literal(["Git", "O'Reilly"])
        case ("variable", name):
            return Operand(f"inputs.{name}", Type.VALUE)
        case ("jobs", *rest):
            return Operand(f"needs.{'.'.join(rest)}", Type.TEXT)
        case _:
            raise ConditionError("nobody knows")


@pytest.mark.parametrize(
    ("powershell", "expression"),
    [
        ("$env:BRANCH -eq 'main'", "env.BRANCH == 'main'"),
        (
            "$env:BRANCH -eq 'main' -and $env:STAGE -ne \"dev\"",
            "env.BRANCH == 'main' && env.STAGE != 'dev'",
        ),
        ("$a -or $b -and $c", "(inputs.a || inputs.b) && inputs.c"),
        ("$a || $b && $c", "inputs.a || inputs.b && inputs.c"),
        ("$a -and ($b -or $c)", "inputs.a && (inputs.b || inputs.c)"),
        ("-not $a -eq $false", "!inputs.a == false"),
        ("!($a -eq 'x')", "!(inputs.a == 'x')"),
        ("{{skipTests}} == false", "inputs.skipTests == false"),
        ("Variables.RunTests -eq $true", "inputs.RunTests == true"),
        ("$Scope -in @('full', 'quick')", 'contains(fromJSON(\'["full", "quick"]\'), inputs.Scope)'),
        ("$Scope -notin 'full', 'quick'", '!contains(fromJSON(\'["full", "quick"]\'), inputs.Scope)'),
        ("$Features -contains $tool", "contains(fromJSON('[\"Git\", \"O''Reilly\"]'), inputs.tool)"),
        ("$env:REF -like 'release/*'", "startsWith(env.REF, 'release/')"),
        ("$env:REF -notlike '*-rc'", "!endsWith(env.REF, '-rc')"),
        ("$env:REF -match 'fix'", "contains(env.REF, 'fix')"),
        ("$env:REF -notmatch '^v1$'", "env.REF != 'v1'"),
        ("$env:CI -eq $true", "env.CI == 'true'"),
        ("$env:TOKEN -eq $null", "env.TOKEN == ''"),
        ("$null -ne $x", "'' != format('{0}', inputs.x)"),
        ("$env:COUNT -eq 5", "env.COUNT == '5'"),
        ("$count -gt 5", "inputs.count > 5"),
        ("$jobs.test.outputs.failed -eq 0", "needs.test.outputs.failed == '0'"),
        ("$needs.test.result -ieq 'success'", "needs.test.result == 'success'"),
        ("$IsLinux -and -not $IsWindows", "true && !false"),
        ("always()", "always()"),
        ("failure() -or $env:FORCE -eq 'yes'", "failure() || env.FORCE == 'yes'"),
        ("$env:A -eq 'it''s'", "env.A == 'it''s'"),
        ("$DeployDocs", "inputs.DeployDocs"),
    ],
)
def test_what_it_becomes(powershell: str, expression: str) -> None:
    """Comparisons of values are kept: `-and` and `-or` bind alike, from left to right."""
    assert convert_condition(powershell, named).text == expression


@pytest.mark.parametrize(
    ("powershell", "expression", "said"),
    [
        ("$a -ceq 'X'", "inputs.a == 'X'", "-ceq looks at upper and lower case; an expression doesn't"),
        (
            "$env:N -gt 3",
            "env.N > 3",
            "PowerShell compares a variable of the environment as text; here it is a number",
        ),
    ],
)
def test_what_differs(powershell: str, expression: str, said: str) -> None:
    """Where an expression does nearly the same, that is told."""
    found = convert_condition(powershell, named)

    assert (found.text, found.approximated) == (expression, [said])


@pytest.mark.parametrize(
    ("powershell", "reason"),
    [
        ("Test-Path './reports'", '"Test-Path" would have to be run'),
        ("$env:T -or (gh auth status 2>$null)", '"gh" would have to be run'),
        ("$PSVersionTable.PSVersion.Major -ge 7", '"PSVersionTable.PSVersion.Major" is known only to PowerShell'),
        ("$env:REF -match '^v\\d+'", '"^v\\d+" is more than a text at the beginning, at the end or anywhere'),
        ("$x.Count -gt 1", '"x.Count" is known only to PowerShell'),
        ("@('a') -eq 'a'", "comparing a list picks from it; use -contains or -in"),
        ("$a -in $b", "which values a list has must stand in the file"),
        ("$a -xor $b", '"-xor" can\'t be kept in an expression'),
        ("$a -eq", "a value is missing at its end"),
        ("($a", "a parenthesis isn't closed"),
        ("'x", "this text is never closed by a quote"),
        ("(" * 60, "it is nested more than 50 levels deep"),
        ("$a -and " * 1000 + "$a", "it has more than 5000 characters"),
    ],
)
def test_what_has_to_run(powershell: str, reason: str) -> None:
    """Commands, regular expressions and what isn't whole are no expressions, and the reason is told."""
    with pytest.raises(ConditionError) as caught:
        convert_condition(powershell, named)

    assert str(caught.value) == reason


_PIECES = st.sampled_from(
    [
        *("$env:A", "$b", "-eq", "-and", "-or", "-not", "-in", "-like", "-match", "'x*'", '"y"', "1", "(", ")", "@("),
        *(",", "$true", "always()", "{{c}}", "Variables.D", ".", "!", "&&", "Test-Path", "$jobs.a.outputs.b", "{", "'"),
    ]
)


@given(st.one_of(st.text(), st.lists(_PIECES).map(" ".join)))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    """Whatever the condition is, there is an expression that parses, or an error with words, and nothing else."""
    try:
        found = convert_condition(text, named).text
    except ConditionError as error:
        found = "false" if str(error) else ""

    assert unparse(parse(found, functions=CONDITION_FUNCTIONS)) == found
