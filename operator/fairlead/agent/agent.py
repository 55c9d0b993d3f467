"""The agent: waits for the driver's questions, fills steps in, and writes the text that runs them.

The driver writes a question to `question` in the folder that both see, and a line to the named pipe `agent/questions`.
The answer is the file `agent/answer`, put there whole, and then the question's number in `agent/answers`. A question
that was open when an agent died is still in its file when the next one starts, so nothing is lost; to answer it twice
does no harm.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from fairlead.agent.files import environment, outputs
from fairlead.agent.hashing import hash_files
from fairlead.expressions import ExpressionError, Function, to_text
from fairlead.model.problem import one_line
from fairlead.plan.steps import fill_step
from fairlead.render.driver import Script, refusal_text, step_text
from fairlead.render.program import parse_question

if TYPE_CHECKING:
    from pathlib import Path

    from fairlead.model.workflow import StepPlan
    from fairlead.render.program import Program, Question

_MOST_PATTERNS = 255


class Mailbox:
    """Where one job's driver and its agent meet. `home` is the driver's state folder, `workspace` where steps work."""

    def __init__(self, home: Path, program: Program, *, workspace: Path) -> None:
        self._home = home
        self._program = program
        self._workspace = workspace
        self._folder = home / "agent"
        if not self._folder.exists():
            self._folder.mkdir()
            self._folder.chmod(0o755)
        # For both: neither side ever waits for the other to open a pipe, and none breaks when the other one dies.
        self.questions, self._answers = (
            os.open(_pipe(self._folder / name), os.O_RDWR) for name in ("questions", "answers")
        )
        self._answered = -1

    def wait(self) -> None:
        """Wait until the driver says that it has written a question."""
        os.read(self.questions, 4096)

    def answer(self) -> bool:
        """Answer the question that is open; tell whether there was one."""
        question = _read(self._home / "question")
        if question is None or question.serial == self._answered:
            return False
        fresh = self._folder / "answer.new"
        text = answer(question, self._program, home=self._home, workspace=self._workspace)
        fresh.write_text(text, "utf-8", "surrogateescape")
        # The job's user may be another one, and this process may have a umask that keeps others out.
        fresh.chmod(0o644)
        fresh.rename(self._folder / "answer")
        os.write(self._answers, b"%d\n" % question.serial)
        self._answered = question.serial
        return True

    def close(self) -> None:
        """Close the pipes."""
        os.close(self.questions)
        os.close(self._answers)


def serve(home: Path, program: Program, *, workspace: Path) -> None:
    """Answer questions for ever. `home` is the driver's state folder, `workspace` where the steps work."""
    box = Mailbox(home, program, workspace=workspace)
    while True:
        if not box.answer():
            box.wait()


def _pipe(path: Path) -> Path:
    """Make a named pipe that the job's user may write to, whoever that is; one that is there stays."""
    if not (path.exists() and stat.S_ISFIFO(path.stat().st_mode)):
        os.mkfifo(path)
        path.chmod(0o666)
    return path


def _read(path: Path) -> Question | None:
    try:
        return parse_question(path.read_text("utf-8", "replace"))
    except OSError:
        return None


def answer(question: Question, program: Program, *, home: Path, workspace: Path) -> str:
    """Write the driver's text for the step that is asked for: its definition and call, a skip, or why it fails."""
    step = program.steps.get(question.index)
    if step is None:
        return refusal_text(f"step {question.index + 1}", "the agent doesn't know this step", continue_on_error=False)
    try:
        return _fill(step, question, program, home=home, workspace=workspace)
    except (ExpressionError, OSError, ValueError, RecursionError) as error:
        label = " ".join(step.label.split())
        return refusal_text(label, one_line(str(error)), continue_on_error=step.continue_on_error is True)


def _fill(step: StepPlan, question: Question, program: Program, *, home: Path, workspace: Path) -> str:
    function = Function(
        "hashFiles", 1, _MOST_PATTERNS, lambda *patterns: hash_files(workspace, [to_text(each) for each in patterns])
    )
    request = fill_step(
        step,
        contexts_of(question, program, home),
        states=(question.state,),
        hash_files=function,
    )
    script = Script(
        label=request.label,
        run=request.run,
        id=request.id,
        shell=request.shell,
        working_directory=request.working_directory,
        env={name: value for name, value in request.env.items() if isinstance(value, str)},
        env_from=program.references.get(question.index, {}),
        runs_in=request.runs_in,
        continue_on_error=request.continue_on_error,
        timeout=request.timeout,
    )
    return step_text(script, outputs=program.outputs, carriers=program.carriers)


def contexts_of(question: Question, program: Program, home: Path) -> dict[str, object]:
    """Give the contexts as they are before the step that is asked for."""
    job, env = (program.contexts.get(name) for name in ("job", "env"))
    steps: dict[str, object] = {}
    variables: dict[str, object] = dict(env) if isinstance(env, dict) else {}
    for index, (step_id, report) in enumerate(zip(program.ids, question.steps, strict=False)):
        ran = report.exit_code is not None
        if step_id is not None:
            steps[step_id] = {
                "outputs": outputs(home / f"step-{index}-OUTPUT") if ran else {},
                "outcome": str(report.outcome),
                "conclusion": str(report.conclusion),
            }
        if ran:
            variables |= environment(home / f"step-{index}-ENV")
    status = {**(job if isinstance(job, dict) else {}), "status": str(question.state)}
    return {**program.contexts, "job": status, "steps": steps, "env": variables}
