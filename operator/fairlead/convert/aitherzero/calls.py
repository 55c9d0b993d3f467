"""The scripts of steps: PowerShell that runs a numbered script as AitherZero does, or asks a condition.

They run as `pwsh -File`, whose exit code is that of `exit`, or 1 after an exception. Values reach the script by
splatting, so that none of them is ever read as code; what comes from an input comes in a variable of the environment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from fairlead.convert.aitherzero.literals import literal, quoted, table

if TYPE_CHECKING:
    from collections.abc import Mapping

SHELL: Final = "pwsh -NoProfile -NonInteractive -File {0}"
"""Elsewhere than on Windows pwsh takes a file without .ps1, too."""

FOLDER: Final = "AITHERZERO_SCRIPTS"
"""The variable with the folder of the numbered scripts."""

_FILTER: Final = """\
$known = (Get-Command $script).Parameters
foreach ($name in @($given.Keys)) {
  if (-not $known.ContainsKey($name)) { $given.Remove($name) }
  elseif ($known[$name].ParameterType -in [switch], [bool] -and $given[$name] -is [string]) {
    $given[$name] = $given[$name] -in 'true', '1', 'yes'
  }
}
"""

_OUTPUTS: Final = """\
foreach ($name in $outputs.Keys) {
  $value = @(& ([scriptblock]::Create($outputs[$name]))) -join "`n"
  $end = [guid]::NewGuid()
  "$name<<$end`n$value`n$end" | Add-Content -LiteralPath $env:FAIRLEAD_OUTPUT
}
"""


@dataclass(frozen=True, slots=True)
class Call:
    """A numbered script to run.

    `file` is None where the folder isn't known: it is then looked for when the step runs. `given` has the arguments by
    name, as PowerShell source; where `filtered`, only those that the script takes are passed on. `outputs` are
    expressions, which see what the script put out as `$result`.
    """

    number: str
    file: str | None
    given: Mapping[str, str] = field(default_factory=dict)
    filtered: bool = False
    retries: int = 0
    outputs: Mapping[str, str] = field(default_factory=dict)


def call_text(call: Call) -> str:
    """Write the script of a step that runs a numbered script."""
    text = _find(call)
    if call.given:
        text += f"$given = {table(call.given)}\n"
        text += _FILTER if call.filtered else ""
    run = "& $script @given" if call.given else "& $script"
    if call.outputs:
        run += " | Tee-Object -Variable result"
    if not call.retries:
        return f"{text}{run}\n{_ending('$LASTEXITCODE', call.outputs)}"
    return (
        f"{text}foreach ($attempt in 0..{call.retries}) {{\n"
        f"  $global:LASTEXITCODE = 0\n"
        f"  try {{ {run}; $code = $LASTEXITCODE }} catch {{ Write-Host $_; $code = 1 }}\n"
        f"  if ($code -eq 0) {{ break }}\n"
        f"}}\n{_ending('$code', call.outputs)}"
    )


def _find(call: Call) -> str:
    if call.file is not None:
        return f"$script = Join-Path $env:{FOLDER} {quoted(call.file)}\n"
    pattern = f"{call.number}_*.ps1"
    return (
        f"$script = Get-ChildItem -Path (Join-Path $env:{FOLDER} {quoted(pattern)}) | Select-Object -First 1\n"
        f"if (-not $script) {{ throw {quoted(f'there is no {pattern} in the folder of the scripts')} }}\n"
        "$script = $script.FullName\n"
    )


def _ending(code: str, outputs: Mapping[str, str]) -> str:
    if not outputs:
        return f"exit {code}\n"
    written = table({name: quoted(value) for name, value in outputs.items()})
    return f"$code = {code}\n$outputs = {written}\n{_OUTPUTS}exit $code\n"


def inline_text(script: str, outputs: Mapping[str, str]) -> str:
    """Write the script of a step that has PowerShell of its own."""
    if not outputs:
        return script
    written = table({name: quoted(value) for name, value in outputs.items()})
    return f". {{\n{script}\n}} | Tee-Object -Variable result\n$outputs = {written}\n{_OUTPUTS}"


def require_text(condition: str, message: str, variables: Mapping[str, str]) -> str:
    """Write a script that fails unless a condition in PowerShell holds; `variables` has what it sees, as source."""
    return f"{_asked(condition, variables)}if (-not $holds) {{ Write-Host {quoted(message)}; exit 1 }}\n"


def ask_text(condition: str, variables: Mapping[str, str]) -> str:
    """Write a script that puts out as `holds` whether a condition in PowerShell does."""
    shown = quoted(f"{condition}: ")
    return (
        f"{_asked(condition, variables)}"
        f"Write-Host ({shown} + $holds)\n"
        "\"holds=$(if ($holds) { 'true' } else { 'false' })\" | Add-Content -LiteralPath $env:FAIRLEAD_OUTPUT\n"
    )


def guard_text(condition: str, variables: Mapping[str, str]) -> str:
    """Write what ends a script, as a success, unless a condition in PowerShell holds."""
    said = quoted(f"nothing to do: {condition}")
    return f"{_asked(condition, variables)}if (-not $holds) {{ Write-Host {said}; exit 0 }}\n"


def _asked(condition: str, variables: Mapping[str, str]) -> str:
    lines = "".join(f"${{{name}}} = {value}\n" for name, value in variables.items())
    return f"{lines}$holds = [bool](& ([scriptblock]::Create({quoted(condition)})))\n"


def warning_text(message: str) -> str:
    """Write a script that says something and does nothing."""
    return f"Write-Host {literal(message)}\n"
