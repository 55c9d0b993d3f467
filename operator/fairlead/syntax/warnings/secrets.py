"""Secrets that are written out. What is found is never shown again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from fairlead.syntax.finding import Remark, Rule
from fairlead.syntax.warnings.texts import texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fairlead.model.problem import Path

# Each token has a beginning that its issuer documents, and a length that no example has by chance.
_KINDS: Final = {
    "a token of GitHub": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{50,255})",
    "a token of GitLab": r"\bgl(?:pat|ptt|dt|rt|cbt|soat)-[A-Za-z0-9_-]{20,}",
    "an access key of AWS": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "a key of Google": r"\bAIza[A-Za-z0-9_-]{35}",
    "a token of Slack": r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
    "a key of Stripe": r"\b[rs]k_live_[A-Za-z0-9]{16,}",
    "a token of npm": r"\bnpm_[A-Za-z0-9]{36}\b",
    "a token of PyPI": r"\bpypi-[A-Za-z0-9_-]{50,}",
    "a token of Docker Hub": r"\bdckr_pat_[A-Za-z0-9_-]{20,}",
    "a token": r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
    "a password in an address": r"(?<=://)[^\s/:@$'\"{}]{1,100}:[^\s/@$'\"{}]{8,200}(?=@)",
    "a token in a header": r"(?i:(?<=authorization: bearer )|(?<=authorization: basic ))[A-Za-z0-9._~+/-]{20,}=*",
}
_PATTERNS = {name: re.compile(pattern) for name, pattern in _KINDS.items()}
_SCHEME_OF_PAGES = re.compile(r"(?:https?|ssh|git|ftps?)://$")
_WAY_OUT = "put it into a Secret, name that in env as ${{ secrets.NAME }}, and replace it where it was issued"


def literal_secrets(resource: Mapping[str, Any]) -> Iterator[Remark]:
    """Find texts that look like a token, a key or a password in an address."""
    parts: list[tuple[Path, object]] = [((name,), value) for name, value in resource.items() if name != "status"]
    for at, value in parts:
        for path, text in texts(value, at):
            for name, pattern in _PATTERNS.items():
                found = next((each for each in pattern.finditer(text) if _counts(name, text, each)), None)
                if found is not None:
                    said = f"{name} is written out, and everyone who may read the workflow has it; {_WAY_OUT}"
                    span = (found.start(), len(found[0]))
                    yield Remark(Rule.LITERAL_SECRET, path, said, span=span, secret=True)
                    break


def _counts(name: str, text: str, found: re.Match[str]) -> bool:
    """Whether it is one for certain: the password of a database beside the job is nobody's secret."""
    return name != "a password in an address" or _SCHEME_OF_PAGES.search(text[: found.start()]) is not None
