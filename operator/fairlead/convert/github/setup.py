"""The image of a job, as `runs-on`, `container` and the setup actions say it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fairlead.convert.conversion import Outcome
from fairlead.convert.github.images import LABELS, LANGUAGES, OTHER_SYSTEMS, Language, chosen, image_of, is_exact
from fairlead.convert.github.matrix import values_of, without
from fairlead.model.problem import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fairlead.convert.github.contexts import Contexts
    from fairlead.convert.github.draft import Draft
    from fairlead.convert.part import Part

_MATRIX: Final = re.compile(r"\$\{\{\s*matrix(?:\.([\w-]+(?:\.[\w-]+)?)|\['([^'.]+)'\])\s*\}\}")
_LATE: Final = re.compile(r"\b(?:env|steps|job|runner)\s*[.\[]")
_ENV: Final = re.compile(r"\$\{\{\s*env\.(\w+)\s*\}\}")
_SINGLE: Final = re.compile(r"\s*\$\{\{((?:(?!\}\}).)*)\}\}\s*", re.DOTALL)
_OTHER_FILES: Final = (".json", ".toml", ".cfg", ".lock")
_IN_TABLE: Final = re.compile(r': "([^"]+)"')
_GO_MOD: Final = re.compile(r"^(?:toolchain go|go )(\d+\.\d+(?:\.\d+)?)", re.MULTILINE)
_FIRST_VERSION: Final = re.compile(r"^\s*(?:python-|go)?v?(\d[\w.]*)", re.MULTILINE)
_ARM: Final = "-arm"
_NUMBER: Final = "write versions as numbers"
OTHERWISE: Final = LABELS["ubuntu-latest"]
"""What stands in where there is no image, so that the rest can be checked."""


@dataclass(slots=True)
class Machine:
    """What a job runs on. `matrix` is what is left of its matrix; `runs` is false where nothing is.

    `arch` is that of its node, where that was asked for; it and `image` may have expressions. `users_own` is
    the image that the user chose for the machine's label, `languages` has those of the languages.
    """

    draft: Draft
    contexts: Contexts
    matrix: object
    image: str = OTHERWISE
    own_container: bool = False
    runs: bool = True
    arch: str | None = None
    users_own: str | None = None
    languages: dict[str, str] = field(default_factory=dict)

    def runs_on(self, part: Part | None, job: Part) -> None:
        """Find the image for `runs-on`."""
        if part is None:
            job.refuse('"runs-on" is missing')
            return
        value = part.get("labels") or part if isinstance(part.value, dict) else part
        labels = value.texts()
        known = [label for label in labels if label in self.draft.images]
        if known:
            self._label(known[0], part)
        elif len(labels) == 1 and "${{" in labels[0]:
            self._computed(labels[0], part)
        elif labels:
            self._unknown(labels, part)
        else:
            part.refuse('"runs-on" names no label')

    def _label(self, label: str, part: Part) -> None:
        self.image = self.draft.images[label]
        self.users_own = self.draft.options.images.get(label)
        self.arch = "arm64" if label.endswith(_ARM) else None
        self._noted({label: self.image}, part)

    def _noted(self, images: Mapping[str, str], part: Part) -> None:
        for label, image in images.items():
            if label in self.draft.options.images:
                self.draft.once(Outcome.MAPPED, part.path, f"{label} is the image {image}")
            else:
                said = f"{label} is the image {image}, which has less in it than GitHub's machine, and no sudo"
                self.draft.once(Outcome.APPROXIMATED, part.path, said)

    def _unknown(self, labels: list[str], part: Part) -> None:
        shown = ", ".join(map(quote, labels[:5]))
        self.draft.unsupported(part, f"there is no image for {shown}; {self._advice(labels)}")
        self.runs = False

    def _advice(self, labels: list[str]) -> str:
        if any(OTHER_SYSTEMS.search(label) for label in labels):
            return "jobs run in Linux containers"
        return "name one in a file for --images"

    def _computed(self, label: str, part: Part) -> None:
        by = _by_matrix(label)
        values = values_of(self.matrix, by.key) if by else None
        if by and values is not None:
            found = {value: by.with_value(value) for value in values}
            images = self._only_known(by.key, values, part, lambda value: self.draft.images.get(found[value]))
            if images:
                self.image = chosen(images, f"matrix.{by.key}")
                if any(found[value].endswith(_ARM) for value in images):
                    archs = {value: "arm64" if found[value].endswith(_ARM) else "amd64" for value in images}
                    self.arch = chosen(archs, f"matrix.{by.key}")
                self._noted({found[value]: image for value, image in images.items()}, part)
            return
        inner = _SINGLE.fullmatch(label)
        if inner is None:
            self._unknown([label], part)
            return
        text = self.contexts.text(label, part.path)
        self.image = chosen({**self.draft.images, "": OTHERWISE}, text.strip()[3:-2].strip())
        said = "which machine it is, is known only when it runs: a label that no image is known for fails there"
        self.draft.notes.approximated(part.path, said)

    def _only_known(
        self, key: str, values: list[str], part: Part, find: Callable[[str], str | None], advice: str = ""
    ) -> dict[str, str]:
        """Give the image of each value; combinations with the others are unsupported, and are taken away."""
        found = {value: find(value) for value in values}
        lacking = [value for value, image in found.items() if image is None]
        if lacking:
            shown = ", ".join(map(quote, lacking[:8]))
            said = f"combinations with {key} {shown} have no image here; {advice or self._advice(lacking)}"
            self.draft.unsupported(part, said)
        if lacking and self.draft.options.skip_unsupported and isinstance(self.matrix, dict):
            self.matrix = without(self.matrix, key, lacking)
            self.runs = bool(self.matrix)
        return {value: image for value, image in found.items() if image is not None}

    def language(self, language: Language, part: Part) -> bool:
        """Take the image of the version that a setup step asks for; tell whether the job's image has it."""
        given = part.get("with")
        settings = given.members() if given else {}
        for name, each in settings.items():
            self._setting(language, name, each)
        if not self.runs:
            return True
        where = settings.get(language.version) or settings.get(language.file) or part
        if self.own_container:
            said = f"{language.name} is not set up: the job's own image has to have it"
            self.draft.notes.approximated(where.path, said)
            return True
        image = self._image(language, settings, part)
        if image is None:
            return False
        others = {name: each for name, each in self.languages.items() if name != language.name or each != image}
        if others:
            return self._several(sorted({*others.values(), image}), where)
        self.languages[language.name] = image
        self.image = image
        if image not in self.draft.guessed:
            self.draft.once(Outcome.MAPPED, where.path, f"{language.name} is the image {_shown(image)}")
        return True

    def _several(self, images: list[str], part: Part) -> bool:
        """Do with the image that the user chose for the machine, where one was chosen."""
        shown = " and ".join(images)
        if self.users_own is None:
            said = (
                f"no image is {shown} at once; name one that has it all, for what runs-on says, in a file for --images"
            )
            self.draft.unsupported(part, said)
        else:
            self.image = self.users_own
            self.draft.notes.approximated(part.path, f"{self.image} has to have what {shown} have")
        return self.users_own is not None

    def _setting(self, language: Language, name: str, part: Part) -> None:
        if name in language.cached:
            self.draft.once(Outcome.LEFT_OUT, part.path, "nothing is cached between jobs")
        elif name not in (language.version, language.file, *language.harmless):
            self.draft.unsupported(part, f"the input {name} has no counterpart here")

    def _image(self, language: Language, settings: Mapping[str, Part], part: Part) -> str | None:
        wanted = settings.get(language.version)
        if wanted is None or wanted.value is None:
            return self._from_file(language, settings.get(language.file) or part)
        version = self._resolved(wanted.text() or "")
        if "\n" in version.strip():
            self.draft.unsupported(wanted, f"several versions of {language.name} in one job; no image has them")
            return None
        by = _by_matrix(version)
        values = values_of(self.matrix, by.key) if by else None
        if by and values is not None:
            images = self._only_known(
                by.key, values, wanted, lambda value: image_of(language, by.with_value(value)), _NUMBER
            )
            return chosen(images, f"matrix.{by.key}") if images else None
        if _LATE.search(version):
            said = f"{language.name} is the image {language.newest}: {quote(version)} is known only when the job runs"
            return self._guessed(language.newest, said, wanted)
        if "${{" in version:
            guess = self._guess(language, version, wanted)
            return self._guessed(guess, f"{language.name} is the image {guess}, whatever that comes to", wanted)
        image = image_of(language, version)
        if image is None:
            said = f"there is no image for {language.name} {quote(version)}; {_NUMBER}"
            self.draft.unsupported(wanted, said)
        elif not is_exact(language, version):
            self._guessed(image, f"{language.name} {quote(version)} is the image {image}", wanted)
        return image

    def _guess(self, language: Language, version: str, part: Part) -> str:
        """Give the image of a version that is an expression; the newest one where that gives nothing."""
        text = self.contexts.text(version, part.path).strip()
        inner = _SINGLE.fullmatch(text)
        if inner is None:
            return language.pattern.format(text)
        newest = language.newest.removeprefix(language.pattern.format(""))
        if inner[1].strip() == "null":
            return language.newest
        return language.pattern.format(f"${{{{ {inner[1].strip()} || '{newest}' }}}}")

    def _guessed(self, image: str, said: str, part: Part) -> str:
        self.draft.guessed.add(image)
        self.draft.once(Outcome.APPROXIMATED, part.path, said)
        return image

    def _resolved(self, version: str) -> str:
        """Put in what the workflow's variables say, which an image can't ask for."""
        return _ENV.sub(lambda found: str(self.draft.env.get(found[1], found[0])), version)

    def _from_file(self, language: Language, part: Part) -> str:
        name = part.value if isinstance(part.value, str) else None
        text = self.draft.options.read(name) if name and "${{" not in name else None
        pattern = _GO_MOD if name and name.endswith(("go.mod", "go.work")) else _FIRST_VERSION
        found = pattern.findall(text) if text and name and not name.endswith(_OTHER_FILES) else []
        image = image_of(language, found[-1]) if found else None
        if image:
            return image
        reason = f"{quote(name)} isn't there, or says no version" if name else "no version is named"
        return self._guessed(language.newest, f"{language.name} is the image {language.newest}: {reason}", part)


def _shown(image: str) -> str:
    """Name an image in the report: one that is looked up in a table by the table's images."""
    found = list(dict.fromkeys(_IN_TABLE.findall(image))) if "fromJSON" in image else []
    return f"of its version: {', '.join(found)}" if found else image


@dataclass(frozen=True, slots=True)
class _ByMatrix:
    """A text that depends on one key of the matrix and nothing else: `1.${{ matrix.go }}.x`."""

    key: str
    text: str

    def with_value(self, value: str) -> str:
        """Put in one of the key's values."""
        return _MATRIX.sub(lambda _: value, self.text)


def _by_matrix(text: str) -> _ByMatrix | None:
    keys = {(found[1] or found[2]).casefold(): found[1] or found[2] for found in _MATRIX.finditer(text)}
    if len(keys) != 1 or "${{" in _MATRIX.sub("", text):
        return None
    return _ByMatrix(next(iter(keys.values())), text.strip())


def setup_step(language: Language, step: dict[str, Any]) -> dict[str, Any]:
    """Make the step that says which version there is, so that its id and its place stay."""
    return {**step, "name": step.get("name", f"Set up {language.name}"), "run": language.check}


def language_of(action: str) -> Language | None:
    """Give the language that an action sets up."""
    return LANGUAGES.get(action)
