"""The driver's report, read back from a container's termination message. docs/driver.md has the format."""

import re
from typing import Final

from fairlead.model.report import Report, StepReport

_HEADER: Final = "fairlead 1"

_MAX_STEPS: Final = 10_000
"""More than any driver runs; a forged count must not cost memory."""

_STEP: Final = re.compile(r"s ([0-9]{1,3}) ([0-9]{1,12}) ([0-9]{1,12})")
_STEPS: Final = re.compile(r"s ([0-9]{1,3})\*([0-9]{1,5})")
_OUTPUT: Final = re.compile(r"o ([A-Za-z_][A-Za-z0-9_-]*) ([^=]+)=(.*)", re.DOTALL)
_ERROR: Final = re.compile(r"e (.+)", re.DOTALL)
_END: Final = re.compile(r"end ([0-9]{1,3})( timeout)?")

_ESCAPE: Final = re.compile(r"\\([\\n])")


def parse_report(message: str) -> Report | None:
    """Read a report, or what there is of one: None for any other text.

    A step can write to the same file, so everything may come. What follows the end, or the first line
    that is no record, doesn't count, and neither does a last line without its newline.
    """
    header, *lines = message.split("\n")[:-1] or [""]
    if header != _HEADER:
        return None
    steps: list[StepReport] = []
    outputs: dict[str, dict[str, str]] = {}
    error: str | None = None
    for line in lines:
        if found := _STEP.fullmatch(line):
            steps.append(StepReport(int(found[1]), int(found[2]) / 100, int(found[3]) / 100))
        elif found := _STEPS.fullmatch(line):
            steps += [StepReport(int(found[1]), 0.0, 0.0)] * min(int(found[2]), _MAX_STEPS - len(steps))
        elif found := _OUTPUT.fullmatch(line):
            outputs.setdefault(found[1], {})[_unescape(found[2])] = _unescape(found[3])
        elif found := _ERROR.fullmatch(line):
            error = _unescape(found[1])
        elif found := _END.fullmatch(line):
            return Report(tuple(steps), outputs, int(found[1]), found[2] is not None, error)
        else:
            break
    return Report(tuple(steps), outputs, None, error=error)


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda found: "\n" if found[1] == "n" else "\\", text)
