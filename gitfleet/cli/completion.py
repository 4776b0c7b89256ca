"""``gitfleet completion``: the script that makes a shell complete gitfleet and ``git fleet``."""

from __future__ import annotations

import click

from gitfleet.cli.command import Call, command
from gitfleet.cli.output import document
from gitfleet.errors import ExitCode

VARIABLE = "_GITFLEET_COMPLETE"

# git's own completion calls `_git_fleet` for `git fleet`, with the line in `words` and the position in `cword`.
_BASH_GIT = """
_git_fleet() {
    local COMP_CWORD=$((cword - 1))
    local COMP_WORDS=(gitfleet "${words[@]:2}")
    _gitfleet_completion gitfleet
}
complete -o nosort -F _gitfleet_completion git-fleet
"""

# zsh's completion of git offers user commands through this style and calls `_git-fleet` for their arguments.
_ZSH_GIT = """
compdef _gitfleet_completion git-fleet
zstyle ':completion:*:*:git:*' user-commands fleet:'run many coding agents on one repository'
_git-fleet() {
    words[1]=gitfleet
    _gitfleet_completion
}
"""

# Ours rather than click's, which cuts a description at its first comma and knows nothing of `git fleet`.
_FISH = """
function _gitfleet_completion
    set -l line (commandline -cp | string replace --regex '^\\s*git(?:\\s+|-)fleet(?=\\s|$)' gitfleet)
    set -l response (env %(complete_var)s=fish_complete COMP_WORDS="$line" COMP_CWORD=(commandline -t) gitfleet)
    for completion in $response
        set -l metadata (string split --max 1 "," $completion)
        if test $metadata[1] = dir
            __fish_complete_directories $metadata[2]
        else if test $metadata[1] = file
            __fish_complete_path $metadata[2]
        else if test $metadata[1] = plain
            echo $metadata[2]
        end
    end
end
function _gitfleet_of_git
    string match --quiet --regex '^\\s*git\\s+fleet\\s' (commandline -cp)
end
complete --no-files --command gitfleet --arguments "(_gitfleet_completion)"
complete --no-files --command git-fleet --arguments "(_gitfleet_completion)"
complete --no-files --command git --condition _gitfleet_of_git --arguments "(_gitfleet_completion)"
complete --no-files --command git --condition __fish_use_subcommand --arguments fleet
"""

WHERE = {
    "bash": 'Put into ~/.bashrc: eval "$(gitfleet completion bash)"',
    "zsh": 'Put into ~/.zshrc, after compinit: eval "$(gitfleet completion zsh)"',
    "fish": "Write to ~/.config/fish/completions/gitfleet.fish",
}


@command(
    "completion",
    examples=(
        'eval "$(gitfleet completion bash)"',
        'eval "$(gitfleet completion zsh)"',
        "gitfleet completion fish > ~/.config/fish/completions/gitfleet.fish",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def COMMAND(call: Call, *, shell: str) -> int:  # noqa: N802
    """Print the completion script of SHELL.

    It completes commands, options, sessions, tasks, instances, planners, agents, branches and plan files.
    """
    from gitfleet.model.reports import CompletionReport  # noqa: PLC0415

    text = script(shell)
    if call.json:
        document(CompletionReport(shell=shell, script=text))
    else:
        click.echo(text, nl=False)
    return ExitCode.DONE


def script(shell: str) -> str:
    """Write the script; it asks gitfleet itself for candidates."""
    from click.shell_completion import get_completion_class  # noqa: PLC0415

    from gitfleet.cli.root import GROUP  # noqa: PLC0415 - the group imports this module when it is used

    made = get_completion_class(shell)
    assert made is not None  # noqa: S101 - the choice above lists what click has
    completer = made(GROUP, {}, "gitfleet", VARIABLE)
    # Not `source()`: for bash it would start a bash only to look at its version.
    text = (_FISH if shell == "fish" else completer.source_template) % completer.source_vars()
    extra = {"bash": _BASH_GIT, "zsh": _ZSH_GIT}.get(shell, "")
    return f"# {WHERE[shell]}\n{text.strip()}\n{extra}"
