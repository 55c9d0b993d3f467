"""What the scenarios found, as a table in docs/reliability.md.

It is kept in a file, in which each scenario's part is replaced when it is run again.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from e2e.faults.scenarios import Outcome
from e2e.testcluster.settings import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Sequence

RESULTS: Final = Path(__file__).with_name("results.json")
DOCUMENT: Final = REPOSITORY / "docs" / "reliability.md"
_HEAD: Final = "| Fault | How often | Under which load | Result |\n|---|---|---|---|\n"
_BLOCK: Final = "<!-- {name} -->\n{text}<!-- end of {name} -->"


def line(outcome: Outcome) -> str:
    """Say an outcome to a terminal, all that was found with it."""
    first = f"  {outcome.fault}: {outcome.times} times, {outcome.load}: {_result(outcome)}"
    return "\n".join([first, *(f"    {each}" for each in outcome.found)])


def keep(name: str, outcomes: Sequence[Outcome], seed: int) -> None:
    """Keep the outcomes of a scenario that was run in full, and put the table of all that is kept into the document."""
    day = datetime.now(UTC).date().isoformat()
    known: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    known[name] = {"seed": seed, "day": day, "outcomes": [asdict(each) for each in outcomes]}
    RESULTS.write_text(json.dumps(known, indent=1) + "\n")
    rows = "".join(_row(each) for part in known.values() for each in part["outcomes"])
    runs = ", ".join(sorted({f"{part['day']} with seed {part['seed']}" for part in known.values()}))
    replace_block("faults", f"{_HEAD}{rows}\nRun on {runs}, scenario by scenario: `make faults`.\n")


def _row(kept: dict[str, Any]) -> str:
    outcome = Outcome(**kept)
    return f"| {outcome.fault} | {outcome.times} | {outcome.load} | {_result(outcome)} |\n"


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
