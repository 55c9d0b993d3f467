"""What the scenarios found, as a table in docs/reliability.md."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from e2e.testcluster.settings import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from e2e.faults.scenarios import Outcome

DOCUMENT: Final = REPOSITORY / "docs" / "reliability.md"
_HEAD: Final = "| Fault | How often | Under which load | Result |\n|---|---|---|---|\n"
_BLOCK: Final = "<!-- {name} -->\n{text}<!-- end of {name} -->"


def line(outcome: Outcome) -> str:
    """Say an outcome to a terminal, all that was found with it."""
    first = f"  {outcome.fault}: {outcome.times} times, {outcome.load}: {_result(outcome)}"
    return "\n".join([first, *(f"    {each}" for each in outcome.found)])


def write(outcomes: Sequence[Outcome], seed: int) -> None:
    """Put the table into the document."""
    rows = "".join(f"| {each.fault} | {each.times} | {each.load} | {_result(each)} |\n" for each in outcomes)
    day = datetime.now(UTC).date().isoformat()
    replace_block("faults", f"{_HEAD}{rows}\nRun on {day}, seed {seed}: `make faults SEED={seed}`.\n")


def replace_block(name: str, text: str) -> None:
    """Replace what stands between a pair of markers in the document."""
    block = _BLOCK.format(name=name, text=text)
    pattern = re.compile(re.escape(f"<!-- {name} -->") + ".*?" + re.escape(f"<!-- end of {name} -->"), re.DOTALL)
    document, found = pattern.subn(lambda _: block, DOCUMENT.read_text())
    assert found == 1, f"{DOCUMENT} has no markers for {name}"
    DOCUMENT.write_text(document)


def _result(outcome: Outcome) -> str:
    told = "nothing lost, doubled or stuck" if not outcome.found else f"{len(outcome.found)} findings"
    return f"{told}; {outcome.note}" if outcome.note else told
