"""The formats by name, how their files are read, and which of them a document is."""

from __future__ import annotations

from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

from fairlead.convert import psd1
from fairlead.syntax.source import Dialect, read_documents

if TYPE_CHECKING:
    from fairlead.convert.conversion import Format
    from fairlead.syntax.source import Document


class FormatName(StrEnum):
    """What formats are called on the command line."""

    GITHUB = "github"
    ORCAOPS = "orcaops"
    AITHERZERO = "aitherzero"
    STORYGENERATOR = "storygenerator"


_IN_TURN: Final = (FormatName.GITHUB, FormatName.AITHERZERO, FormatName.ORCAOPS, FormatName.STORYGENERATOR)
"""The stricter ones first: the last asks for no more than a list of stages with ids."""


def load(name: FormatName) -> Format:
    """Give a format: the module of its name."""
    return cast("Format", import_module(f"fairlead.convert.{name}"))


def guess(document: Document) -> FormatName | None:
    """Tell a document's format by what it holds; None where it is none of them."""
    return next((name for name in _IN_TURN if load(name).recognises(document)), None)


def read(file: str, text: str) -> list[Document]:
    """Read the documents of a file: PowerShell's data where it is called so, else YAML. Raises SourceError."""
    if file.casefold().endswith(".psd1"):
        return psd1.read_documents(text)
    return read_documents(text, Dialect.CORE)
