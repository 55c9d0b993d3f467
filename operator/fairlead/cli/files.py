"""What every command reads: a user's file, its documents, and the one Workflow in it.

Whatever is wrong with a file is one line, and exit code 2. What is wrong with the Workflow's spec is found later.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import click

from fairlead.model.crd import API_VERSION, KIND, TEMPLATE_KIND
from fairlead.model.problem import closest, one_line, quote
from fairlead.syntax.source import MOST_BYTES, SourceError, read_documents

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fairlead.syntax.source import Document

STANDARD_INPUT: Final = "-"
_STANDARD_INPUT_NAME: Final = "<stdin>"
SUFFIXES: Final = (".yaml", ".yml")
_MOST_NAMED: Final = 5


class UnreadableFileError(click.ClickException):
    """A file that can't be read, or that holds no Workflow: one line that names it and the way out."""

    exit_code = 2

    def __init__(self, name: str, said: str) -> None:
        super().__init__(f"{shown(name)}: {said}")
        self.name = name
        self.said = said


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file as it was written: `name` as the user called it, or `<stdin>`."""

    name: str
    text: str
    documents: tuple[Document, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkflowFile:
    """A file with one Workflow. `resource` is it as JSON has it, `document` the same with the place of each part.

    `templates` has the WorkflowTemplates of the file by their names. `spec` may still be wrong in any way.
    """

    source: SourceFile
    document: Document
    resource: Mapping[str, Any]
    templates: Mapping[str, Document] = field(default_factory=dict)

    @property
    def spec(self) -> Mapping[str, Any]:
        """The Workflow's spec; empty where there is none that is a map."""
        found = self.resource.get("spec")
        return found if isinstance(found, dict) else {}

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The Workflow's metadata; empty where there are none that are a map."""
        found = self.resource.get("metadata")
        return found if isinstance(found, dict) else {}

    @property
    def name(self) -> str:
        """What the Workflow is called; of a generateName what it begins with; else after its file."""
        given = self.metadata.get("name") or str(self.metadata.get("generateName") or "").rstrip("-")
        stem = "workflow" if self.source.name == _STANDARD_INPUT_NAME else Path(self.source.name).stem
        return given if isinstance(given, str) and given else stem


def shown(name: str) -> str:
    """Show a file's name: as it is, unless it holds what a terminal would obey."""
    return name if name.isprintable() and name else quote(name)


def read_text(path: str) -> SourceFile:
    """Read a file, or standard input for `-`, without looking what is in it. Raises UnreadableFileError."""
    name = _STANDARD_INPUT_NAME if path == STANDARD_INPUT else path
    try:
        content = _standard_input() if path == STANDARD_INPUT else _content(path)
    except IsADirectoryError:
        raise UnreadableFileError(name, "is a directory; name a file in it") from None
    except FileNotFoundError:
        raise UnreadableFileError(name, f"no such file{_meant(path)}") from None
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else None
        raise UnreadableFileError(name, f"can't be read: {(said or one_line(str(error))).lower()}") from None
    if len(content) > MOST_BYTES:
        raise UnreadableFileError(name, f"it has more than {MOST_BYTES // 2**20} MiB, which no cluster would take")
    try:
        return SourceFile(name, content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UnreadableFileError(name, f"is not UTF-8 (line {line}); save it as UTF-8") from None


def read_source(path: str) -> SourceFile:
    """Read a file, or standard input for `-`, as YAML. Raises UnreadableFileError, also where nothing is in it."""
    source = read_text(path)
    try:
        documents = tuple(read_documents(source.text))
    except SourceError as error:
        raise UnreadableFileError(source.name, str(error)) from None
    if not documents:
        raise UnreadableFileError(source.name, "is empty; a Workflow is expected")
    return SourceFile(source.name, source.text, documents)


def read_workflow(path: str) -> WorkflowFile:
    """Read a file that holds one Workflow, perhaps with WorkflowTemplates that it calls. Raises UnreadableFileError."""
    source = read_source(path)
    found = [document for document in source.documents if kind_of(document) == KIND]
    if len(found) > 1:
        names = ", ".join(quote(name_of(each)) for each in found[:_MOST_NAMED])
        more = ", …" if len(found) > _MOST_NAMED else ""
        said = f"holds {len(found)} Workflows ({names}{more}), and one is needed; put each into a file of its own"
        raise UnreadableFileError(source.name, said)
    if not found:
        raise UnreadableFileError(source.name, what_else(source.documents))
    value = found[0].value
    assert isinstance(value, dict)  # noqa: S101  as it has a kind
    return WorkflowFile(source, found[0], value, templates_of(source.documents))


def kind_of(document: Document) -> str | None:
    """Give a resource's kind; that of Workflows and templates also where only the apiVersion is wrong."""
    value = document.value
    kind = value.get("kind") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) else None


def name_of(document: Document) -> str:
    """Give a resource's name, or ''."""
    value = document.value
    metadata = value.get("metadata") if isinstance(value, dict) else None
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else ""


def templates_of(documents: Sequence[Document]) -> dict[str, Document]:
    """Give the WorkflowTemplates among documents, by their names."""
    return {name_of(each): each for each in documents if kind_of(each) == TEMPLATE_KIND and name_of(each)}


def what_else(documents: Sequence[Document]) -> str:
    """Say what a file holds that has no Workflow in it, and what to do with that."""
    values = [document.value for document in documents]
    kinds = [kind for document in documents if (kind := kind_of(document))]
    if TEMPLATE_KIND in kinds:
        return f"holds no {KIND}, only a {TEMPLATE_KIND}, which runs when it is called; write a {KIND} that uses it"
    if kinds:
        near = closest(kinds[0], (KIND, TEMPLATE_KIND))
        hint = f"; did you mean {quote(near)}?" if near else ""
        return f"holds no {KIND}, but a {quote(kinds[0])}{hint}"
    for value in values:
        if isinstance(value, dict) and "jobs" in value and {"on", "true", "runs-on"} & value.keys():
            return f"is a workflow of GitHub Actions, not a {KIND}; `fairlead convert` makes one of it"
        if isinstance(value, dict):
            return f"is not a {KIND}: it has no kind; begin with apiVersion: {API_VERSION} and kind: {KIND}"
    found = "a list" if isinstance(values[0], list) else "a single value"
    return f"is not a {KIND}: it holds {found}, not a resource"


def listed(directory: str) -> Iterator[str]:
    """Name the YAML files in a directory, in order. Raises UnreadableFileError."""
    try:
        names = sorted(each.name for each in Path(directory).iterdir() if each.suffix in SUFFIXES and each.is_file())
    except OSError as error:
        raise UnreadableFileError(directory, f"can't be read: {(error.strerror or '').lower()}") from None
    if not names:
        raise UnreadableFileError(directory, "has no files that end in .yaml or .yml")
    return (str(Path(directory) / name) for name in names)


def _content(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return _bounded(file)


def _standard_input() -> bytes:
    # Python leaves it out where the program was started without one.
    if sys.stdin is None:
        raise OSError(0, "standard input is closed")
    return _bounded(sys.stdin.buffer)


def _bounded(file: BinaryIO) -> bytes:
    """Read a byte more than may be, so that what is too large shows, and /dev/zero comes to an end."""
    return file.read(MOST_BYTES + 1)


def _meant(path: str) -> str:
    wanted = Path(path)
    try:
        near = closest(wanted.name, (each.name for each in wanted.parent.iterdir() if each.suffix in SUFFIXES))
    except (OSError, ValueError):
        return ""
    return f"; did you mean {shown(str(wanted.parent / near))}?" if near else ""
