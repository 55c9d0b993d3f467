"""`fairlead completion`: what makes a shell complete commands, options and names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_SHELLS = ("bash", "zsh", "fish")


@click.command("completion", short_help="Print a shell's completion script.")
@click.argument("shell", type=click.Choice(_SHELLS))
def completion_command(shell: str) -> None:
    """Print what SHELL has to read to complete commands, options and the names of Workflows.

    \b
    bash: echo 'eval "$(fairlead completion bash)"' >> ~/.bashrc
    zsh:  echo 'eval "$(fairlead completion zsh)"' >> ~/.zshrc
    fish: fairlead completion fish > ~/.config/fish/completions/fairlead.fish
    """  # noqa: D301  click's mark for lines to be kept
    root = click.get_current_context().find_root().command
    found = get_completion_class(shell)
    assert found is not None  # noqa: S101  click knows all three
    made = found(root, {}, "fairlead", "_FAIRLEAD_COMPLETE")
    # Not `source()`: for bash that starts one to see how old it is.
    click.echo(made.source_template % made.source_vars())
