"""Documents as YAML that people go on with, and that means the same to Kubernetes."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

import yaml

from fairlead.syntax.source import SourceError, read_documents


class _Dumper(yaml.SafeDumper):
    """Writes no anchors, and texts of several lines as blocks, as people write scripts."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401, ARG002  PyYAML's signature
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        super().increase_indent(flow, indentless=False)


_WORD: Final = re.compile(r"[\w.+~:-]{1,40}", re.ASCII)
"""What may be something else than a text to Kubernetes, though PyYAML writes it without quotes: n, 1e5, 0o17."""


_OTHER_BREAKS: Final = re.compile("[\r\x85\u2028\u2029]")
"""What ends a line in YAML 1.1, too, so that it stays what it is only as an escape."""


def _text(dumper: _Dumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=_style(text))


def _style(text: str) -> str | None:
    if _OTHER_BREAKS.search(text):
        return '"'
    if "\n" in text:
        return "|"
    return "'" if _WORD.fullmatch(text) and not _stays_text(text) else None


@lru_cache(maxsize=4096)
def _stays_text(word: str) -> bool:
    try:
        (document,) = read_documents(f"- {word}")
    except SourceError:
        return False
    return document.value == [word]


_Dumper.add_representer(str, _text)


def to_yaml(*documents: object) -> str:
    """Write documents, with --- between them, in their own order."""
    return "---\n".join(
        yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True) for document in documents
    )
