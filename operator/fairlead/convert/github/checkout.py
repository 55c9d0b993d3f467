"""`actions/checkout`: a step that clones with git, or takes the files that are in the workspace already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from fairlead.convert.github.contexts import Contexts
    from fairlead.convert.github.draft import Draft
    from fairlead.convert.part import Part

NAME: Final = "actions/checkout"

_HARMLESS: Final = ("clean", "persist-credentials", "set-safe-directory", "show-progress", "github-server-url")
_FASTER: Final = ("sparse-checkout", "sparse-checkout-cone-mode", "filter")
_KNOWN: Final = ("repository", "ref", "path", "fetch-depth", "fetch-tags", "submodules", "lfs", "token")

_GIT: Final = 'git -C "$CHECKOUT_PATH"'

_KEEP_SOURCES: Final = """\
if [ -e "$CHECKOUT_PATH/.git" ] || { [ -z "$CHECKOUT_REPOSITORY" ] && [ -n "$(ls -A "$CHECKOUT_PATH" 2>/dev/null)" ]; }
then
  echo "the sources are here already"
  exit 0
fi
"""

_KEEP_CLONE: Final = """\
if [ ! -e "$CHECKOUT_PATH/.git" ]; then
"""

_START: Final = """\
if [ -z "$CHECKOUT_REPOSITORY" ]; then
  echo "nothing to check out: set the input {input}, as https://example.com/team/project.git" >&2
  exit 1
fi
command -v git >/dev/null || {{ echo "this image has no git: choose one that has it" >&2; exit 1; }}
case $CHECKOUT_REPOSITORY in
  *://* | *@*:* | /*) ;;
  *) CHECKOUT_REPOSITORY=https://github.com/$CHECKOUT_REPOSITORY ;;
esac
git init --quiet "$CHECKOUT_PATH"
{git} remote add origin "$CHECKOUT_REPOSITORY"
"""


def checkout(part: Part, step: dict[str, Any], contexts: Contexts) -> dict[str, Any]:
    """Make the step out of `step`, which has the fields that all steps share."""
    draft, given = contexts.draft, part.get("with")
    settings = given.members() if given else {}
    for name, each in settings.items():
        _check(name, each, draft)
    texts = {name: contexts.text(each.text() or "", each.path) for name, each in settings.items() if name in _KNOWN}
    return {**step, "name": step.get("name", "Check out"), "env": _env(texts, draft), "run": _script(texts, draft)}


def _check(name: str, part: Part, draft: Draft) -> None:
    if name in _FASTER:
        draft.notes.left_out(part.path, f"{name}: everything is checked out")
    elif name == "token":
        draft.notes.left_out(part.path, "token: a private repository needs an address with credentials, or an image")
    elif name not in (*_KNOWN, *_HARMLESS):
        draft.unsupported(part, f"checkout's input {name} has no counterpart here")


def _own(texts: dict[str, str]) -> bool:
    """Whether it is the project itself that is checked out."""
    repository = texts.get("repository", "")
    return not repository or repository.replace(" ", "").casefold() == "${{github.repository}}"


def _env(texts: dict[str, str], draft: Draft) -> dict[str, str]:
    repository, ref = draft.source_inputs
    env = {
        "CHECKOUT_REPOSITORY": texts.get("repository", ""),
        "CHECKOUT_REF": texts.get("ref", ""),
        "CHECKOUT_PATH": texts.get("path", "") or ".",
    }
    if _own(texts):
        draft.sources = True
        env["CHECKOUT_REPOSITORY"] = f"${{{{ inputs.{repository} || github.repository }}}}"
        env["CHECKOUT_REF"] = env["CHECKOUT_REF"] or f"${{{{ inputs.{ref} || github.sha || github.ref }}}}"
    return env


def _script(texts: dict[str, str], draft: Draft) -> str:
    whole = texts.get("fetch-depth", "1").strip() == "0"
    depth = "" if whole else f"--depth {_number(texts.get('fetch-depth', '1'))} "
    fetch = (
        f'{_GIT} fetch --quiet {depth}origin "${{CHECKOUT_REF:-HEAD}}"\n{_GIT} checkout --quiet --detach FETCH_HEAD\n'
    )
    start = _START.format(input=draft.source_inputs[0], git=_GIT)
    if whole:
        start += f"{_GIT} fetch --quiet --tags origin '+refs/heads/*:refs/remotes/origin/*'\n"
    elif texts.get("fetch-tags", "").strip() == "true":
        start += f"{_GIT} fetch --quiet --depth 1 --tags origin\n"
    if _own(texts) and not texts.get("ref"):
        script = _KEEP_SOURCES + start + fetch
    else:
        # Of another repository or at a place of its own: what is there may be at another commit.
        script = _KEEP_CLONE + "".join(f"  {line}\n" for line in start.splitlines()) + "fi\n" + fetch
    submodules = texts.get("submodules", "").strip()
    if submodules in ("true", "recursive"):
        script += f"{_GIT} submodule --quiet update --init{' --recursive' if submodules == 'recursive' else ''}\n"
    if texts.get("lfs", "").strip() == "true":
        script += f"{_GIT} lfs pull\n"
    return script + f"{_GIT} --no-pager log -1 --oneline\n"


def _number(text: str) -> str:
    return text.strip() if text.strip().isdecimal() else "1"
