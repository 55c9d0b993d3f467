"""The driver's report, read back from a container's termination message and its log. docs/driver.md has the formats."""

import re
from base64 import b64decode
from binascii import Error
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Final

from fairlead.model.report import LoggedOutputs, Report, StepReport

_HEADER: Final = "fairlead 2"

_MAX_STEPS: Final = 10_000
"""More than any driver runs; a forged count must not cost memory."""

MAX_LOGGED_OUTPUTS: Final = 262_144
"""Bytes of the outputs that a driver writes to the log, without their names."""

_MAX_LOG: Final = (10_000, 2 * MAX_LOGGED_OUTPUTS)
"""Lines and bytes of which a report may speak: more than a driver writes, and not more than is worth reading."""

_RESULT: Final = r"(-|[0-9]{1,3})(t?)(c?)(x?)"
_STEP: Final = re.compile(rf"s {_RESULT}(?: ([0-9]{{1,12}}) ([0-9]{{1,12}}))?")
_STEPS: Final = re.compile(rf"s {_RESULT}\*([0-9]{{1,5}})")
_OUTPUT: Final = re.compile(r"o ([A-Za-z_][A-Za-z0-9_-]*) ([^=]+)=(.*)", re.DOTALL)
_ERROR: Final = re.compile(r"e (.+)", re.DOTALL)
_LOG: Final = re.compile(r"log ([0-9]{1,6}) ([0-9]{1,9}) ([0-9a-f]{64})")
_END: Final = re.compile(r"end ([0-9]{1,3})( timeout)?")

_LOGGED: Final = re.compile(rb"o ([A-Za-z_][A-Za-z0-9_-]*) ([^=\n]+)=([0-9]{1,9})\n")

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
    log: LoggedOutputs | None = None
    for line in lines:
        if read := parse_steps(line):
            steps += read[: _MAX_STEPS - len(steps)]
        elif found := _OUTPUT.fullmatch(line):
            outputs.setdefault(found[1], {})[_unescape(found[2])] = _unescape(found[3])
        elif found := _ERROR.fullmatch(line):
            error = _unescape(found[1])
        elif found := _LOG.fullmatch(line):
            log = _logged(int(found[1]), int(found[2]), found[3])
        elif found := _END.fullmatch(line):
            return Report(tuple(steps), outputs, int(found[1]), found[2] is not None, error, log)
        else:
            break
    return Report(tuple(steps), outputs, None, error=error, log=log)


def parse_steps(line: str) -> list[StepReport]:
    """Read a record of one step, or of several that went alike; empty for any other line."""
    if found := _STEP.fullmatch(line):
        return [_step(found, int(found[5] or 0) / 100, int(found[6] or 0) / 100)]
    if found := _STEPS.fullmatch(line):
        return [_step(found)] * min(int(found[5]), _MAX_STEPS)
    return []


def _step(found: re.Match[str], started: float = 0.0, finished: float = 0.0) -> StepReport:
    exit_code = None if found[1] == "-" else int(found[1])
    return StepReport(exit_code, started, finished, bool(found[3]), bool(found[4]), bool(found[2]))


def _logged(lines: int, size: int, checksum: str) -> LoggedOutputs | None:
    most_lines, most_bytes = _MAX_LOG
    return LoggedOutputs(lines, size, checksum) if lines <= most_lines and size <= most_bytes else None


def parse_outputs(tail: str, logged: LoggedOutputs) -> Mapping[str, Mapping[str, str]] | None:
    """Read the outputs from the end of the log: step ids to names to values. None where they aren't there, or broken.

    `tail` is what the report tells of, `logged.lines` lines, or more. What steps write can look like outputs, too, so
    the last ones that fit the report count.
    """
    lines = tail.split("\n")
    header = f"::group::Outputs: {logged.size} bytes, {logged.checksum}"
    end: int | None = None
    for index in range(len(lines) - 1, -1, -1):
        if lines[index] == "::endgroup::":
            end = index
        elif lines[index] == header and end is not None:
            found = _decode("".join(lines[index + 1 : end]), logged)
            if found is not None:
                return found
            end = None
    return None


def _decode(text: str, logged: LoggedOutputs) -> Mapping[str, Mapping[str, str]] | None:
    try:
        content = b64decode(text, validate=True)
    except (Error, ValueError):
        return None
    if len(content) != logged.size or sha256(content).hexdigest() != logged.checksum:
        return None
    outputs: dict[str, dict[str, str]] = {}
    try:
        for step, name, value in _records(content):
            outputs.setdefault(step.decode(), {})[_unescape(name.decode())] = value.decode()
    except ValueError:
        return None
    return outputs


def _records(content: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    at = 0
    while at < len(content):
        found = _LOGGED.match(content, at)
        if found is None:
            raise ValueError("no record of an output")
        end = found.end() + int(found[3])
        if content[end : end + 1] != b"\n":
            raise ValueError("a record of another length than it says")
        yield found[1], found[2], content[found.end() : end]
        at = end + 1


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda found: "\n" if found[1] == "n" else "\\", text)
