"""``completion``: scripts for shells."""

from __future__ import annotations

from typing import Final

import click

from moltnet_cli.options import Verb, examples

__all__ = ["completion"]

_BASH: Final = r"""# moltnet-storage completion for bash
_moltnet_storage_completion() {
    local IFS=$'\n' line="${COMP_LINE:0:COMP_POINT}" current="" index type value prefix=""
    # Bash splits words at colons, which conversations have: count the words again, and give back what follows the last.
    local -a words
    IFS=$' \t' read -r -a words <<< "$line"
    index=${#words[@]}
    if [[ $line != *[[:blank:]] ]]; then
        index=$((index - 1))
        current=${words[index]}
    fi
    if [[ $current == *:* && $COMP_WORDBREAKS == *:* ]]; then
        prefix="${current%"${current##*:}"}"
    fi
    COMPREPLY=()
    for value in $(COMP_WORDS="$line" COMP_CWORD=$index @VARIABLE@=bash_complete "$1" 2>/dev/null); do
        type="${value%%,*}"
        value="${value#*,}"
        case $type in
            file) compopt -o default ;;
            dir) compopt -o dirnames ;;
            plain) COMPREPLY+=("${value#"$prefix"}") ;;
        esac
    done
}
complete -o nosort -F _moltnet_storage_completion @PROGRAM@
"""


@click.command(
    cls=Verb,
    epilog=examples(
        """echo 'eval "$(moltnet-storage completion bash)"' >> ~/.bashrc""",
        """echo 'eval "$(moltnet-storage completion zsh)"' >> ~/.zshrc""",
        "moltnet-storage completion fish > ~/.config/fish/completions/moltnet-storage.fish",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a completion script, for commands, options, rooms and conversations.

    For bash and zsh it is evaluated by the shell's start-up file, for fish it is a file of its own. It takes effect in
    the next shell.
    """
    from click.shell_completion import get_completion_class

    from moltnet_cli.app import COMPLETE_VARIABLE, PROGRAM, cli

    if shell == "bash":
        click.echo(_BASH.replace("@VARIABLE@", COMPLETE_VARIABLE).replace("@PROGRAM@", PROGRAM), nl=False)
        return
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"the installed click cannot complete for {shell}")
    click.echo(found(cli, {}, PROGRAM, COMPLETE_VARIABLE).source())
