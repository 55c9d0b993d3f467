"""`fairlead convert`: other systems' workflow files, turned into Workflows."""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import click

from fairlead.convert.conversion import Options
from fairlead.convert.formats import FormatName, guess, load, read
from fairlead.convert.report import report
from fairlead.model.problem import one_line, quote
from fairlead.syntax.source import MOST_BYTES, Dialect, SourceError, read_documents
from fairlead.syntax.writing import to_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fairlead.convert.conversion import Format
    from fairlead.syntax.source import Document

_REFUSED: Final = 1
_UNUSABLE: Final = 2
_WORKFLOWS: Final = (".github", "workflows")
_SCRIPTS: Final = (".ps1", ".psm1", ".sh", ".py")
_MOST_SCRIPT_BYTES: Final = 2**20


class _Unusable(click.ClickException):
    """What can't be worked with: one line, and exit code 2."""

    exit_code = _UNUSABLE


@click.command("convert", short_help="Turn other systems' workflow files into Workflows.")
@click.argument("arguments", metavar="[FORMAT] FILE...", nargs=-1, required=True)
@click.option("-o", "--output", "folder", metavar="DIR", help="Write a file there for each source.")
@click.option("--force", is_flag=True, help="Overwrite files in that folder.")
@click.option("--images", "images_file", metavar="FILE", help="YAML: labels of runs-on, and their images.")
@click.option("--scripts", "scripts_folder", metavar="DIR", help="AitherZero's folder of numbered scripts.")
@click.option("--stages", "stages_file", metavar="FILE", help="YAML: StoryGenerator's stages, with image and run.")
@click.option("--skip-unsupported", is_flag=True, help="Have steps that can't be converted say so, not refuse all.")
def convert_command(
    arguments: tuple[str, ...],
    folder: str | None,
    images_file: str | None,
    scripts_folder: str | None,
    stages_file: str | None,
    *,
    force: bool,
    skip_unsupported: bool,
) -> None:
    """Convert FILEs of another system to Workflows and WorkflowTemplates.

    FORMAT is github, orcaops, aitherzero or storygenerator; without it each file's is guessed. The YAML goes to
    standard output, or with -o into a folder; what became of the parts of each file is told on standard error, line by
    line. A file with a part that is refused isn't converted.

    Exit code 0 says that all files were converted, 1 that something was refused, 2 that the command or a file can't be
    used.

    \b
    fairlead convert .github/workflows/ci.yml > ci.yaml
    fairlead convert github .github/workflows/*.yml -o workflows --skip-unsupported
    """  # noqa: D301  click's mark for lines to be kept
    named, files = _split(arguments)
    images = {label: str(image) for label, image in _mapping(images_file, "--images").items()} if images_file else {}
    stages = _mapping(stages_file, "--stages") if stages_file else None
    scripts = _scripts(Path(scripts_folder)) if scripts_folder else None
    targets = _targets(files, Path(folder), force=force) if folder else {}
    sources = [_source(file, named) for file in files]
    refused = False
    texts: list[str] = []
    for file, (form, document) in zip(files, sources, strict=True):
        root = _root(Path(file))
        options = Options(_stem(file), images, scripts, stages, _reader(root), skip_unsupported)
        conversion = form.convert(document, options)
        click.echo("\n".join(report(file, conversion)), err=True)
        refused = refused or conversion.refused
        if conversion.refused:
            continue
        if not folder:
            texts.append(to_yaml(*conversion.resources))
        else:
            _write(targets[file], to_yaml(*conversion.resources))
    if texts:
        click.echo("---\n".join(texts), nl=False)
    if refused:
        sys.exit(_REFUSED)


def _split(arguments: Sequence[str]) -> tuple[FormatName | None, list[str]]:
    """Take the format off the files; a file of such a name is written ./github."""
    first, *rest = arguments
    if first not in list(FormatName):
        return None, list(dict.fromkeys(arguments))
    if not rest:
        raise _Unusable(f"no file is named: write fairlead convert {first} FILE")
    return FormatName(first), list(dict.fromkeys(rest))


def _source(file: str, named: FormatName | None) -> tuple[Format, Document]:
    text = _text(file)
    try:
        documents = read(file, text)
    except SourceError as error:
        place = f":{error.position.line}" if error.position else ""
        raise _Unusable(f"{one_line(file)}{place}: {error.message}") from None
    if len(documents) != 1:
        many = "is empty" if not documents else f"has {len(documents)} documents, and one is expected"
        raise _Unusable(f"{one_line(file)} {many}")
    found = named or guess(documents[0])
    if found is None:
        known = ", ".join(FormatName)
        raise _Unusable(f"{one_line(file)} is of none of the known formats ({known}); name one before the file")
    return load(found), documents[0]


def _text(file: str) -> str:
    try:
        content = sys.stdin.buffer.read() if file == "-" else _bytes(Path(file))
        return content.decode("utf-8-sig")
    except OSError as error:
        raise _Unusable(f"can't read {quote(file)}: {error.strerror}") from None
    except ValueError:
        raise _Unusable(f"{quote(file)} is not UTF-8") from None


def _bytes(path: Path) -> bytes:
    """Read a file, but no more of it than is enough to say that it is too large."""
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 5)


def _mapping(file: str, option: str) -> Mapping[str, Any]:
    try:
        documents = read_documents(_text(file), Dialect.CORE)
    except SourceError as error:
        raise _Unusable(f"{option} {one_line(file)}: {error}") from None
    if len(documents) != 1 or not isinstance(documents[0].value, dict):
        raise _Unusable(f"{option} {one_line(file)} has to hold one map (KEY: VALUE)")
    found: dict[str, Any] = documents[0].value
    if option == "--images" and not all(isinstance(image, str) and image for image in found.values()):
        raise _Unusable(f"{option} {one_line(file)} maps labels to images, as ubuntu-latest: ubuntu:24.04")
    return found


def _scripts(folder: Path) -> Mapping[str, str]:
    """Read the scripts of a folder, by their names; what is in folders below counts, too."""
    try:
        if not folder.is_dir():
            raise _Unusable(f"--scripts {quote(str(folder))} is no folder")
        found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SCRIPTS and path.is_file())
        return {path.name: path.read_bytes()[:_MOST_SCRIPT_BYTES].decode("utf-8-sig", "replace") for path in found}
    except OSError as error:
        raise _Unusable(f"can't read {quote(str(folder))}: {error.strerror}") from None


def _stem(file: str) -> str:
    return "workflow" if file == "-" else Path(file).stem


def _root(path: Path) -> Path:
    """Find the project that a file is of: where its .github is, or else its own folder."""
    folder = path.absolute().parent
    return folder.parents[1] if folder.parts[-2:] == _WORKFLOWS else folder


def _reader(root: Path) -> Callable[[str], str | None]:
    def read(name: str) -> str | None:
        inner = PurePosixPath(name)
        if inner.is_absolute() or ".." in inner.parts:
            return None
        try:
            path = (root / inner).resolve()
            # A link may lead out of the project, where nothing is anybody's business.
            if not path.is_relative_to(root.resolve()) or not path.is_file():
                return None
            return _bytes(path).decode("utf-8-sig")
        except (OSError, ValueError):
            return None

    return read


def _targets(files: Sequence[str], folder: Path, *, force: bool) -> dict[str, Path]:
    """Name the file that each source is written to; refuse what would be lost before anything is done."""
    targets: dict[str, Path] = {}
    for file in files:
        target = folder / f"{_stem(file)}.yaml"
        if target in targets.values():
            raise _Unusable(f"two of the files would be written to {quote(str(target))}; convert them one by one")
        if target.exists() and not force:
            raise _Unusable(f"{quote(str(target))} is there already; --force overwrites it")
        targets[file] = target
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _Unusable(f"can't make the folder {quote(str(folder))}: {error.strerror}") from None
    return targets


def _write(target: Path, text: str) -> None:
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _Unusable(f"can't write {quote(str(target))}: {error.strerror}") from None
