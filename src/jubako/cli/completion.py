"""``jubako completion bash|zsh|fish``: scripts that let a shell complete words and flags.

The scripts ask ``jubako completion words -- WORD...`` for candidates, so they never have to know the commands.
"""

import argparse
from collections.abc import Mapping, Sequence

from jubako.cli.context import Context
from jubako.cli.errors import OK
from jubako.cli.parsing import Group, words_below

SCRIPTS: Mapping[str, str] = {
    "bash": """_jubako() {
    local IFS=$'\\n'
    COMPREPLY=($(jubako completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _jubako jubako""",
    "zsh": """#compdef jubako
_jubako() {
    local -a candidates
    candidates=(${(f)"$(jubako completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
    if (( $#candidates )); then compadd -a candidates; else _files; fi
}
compdef _jubako jubako""",
    "fish": """function __jubako
    set -l candidates (jubako completion words -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)
    test (count $candidates) -gt 0; and printf '%s\\n' $candidates
end
complete -c jubako -f -a '(__jubako; or __fish_complete_path (commandline -ct))'""",
}
HOW = {
    "bash": 'eval "$(jubako completion bash)"   in ~/.bashrc',
    "zsh": 'eval "$(jubako completion zsh)"   in ~/.zshrc, after compinit',
    "fish": "jubako completion fish > ~/.config/fish/completions/jubako.fish",
}


def register(top: Group, word: str, summary: str) -> None:
    """Add the commands below ``completion``."""
    group = top.group(word, summary)
    for shell in SCRIPTS:
        script = group.command(
            shell, _print_script, f"Print the script for {shell}.", example=HOW[shell], connects=False
        )
        script.set_defaults(shell=shell)
    words = group.command(
        "words", _print_candidates, "Print what can follow (for the scripts).", connects=False
    )
    words.add_argument("words", nargs=argparse.REMAINDER)


def _print_script(args: argparse.Namespace, context: Context) -> int:
    context.out.print(SCRIPTS[args.shell])
    return OK


def _print_candidates(args: argparse.Namespace, context: Context) -> int:
    words = args.words[1:] if args.words[:1] == ["--"] else args.words
    for candidate in candidates(words):
        context.out.print(candidate)
    return OK


def candidates(words: Sequence[str]) -> list[str]:
    """Return what the last of ``words`` can become; the others stand before it. Nothing: let the shell offer files."""
    from jubako.cli.main import build_parser  # noqa: PLC0415 - main imports us

    *before, current = words or [""]
    parser: argparse.ArgumentParser = build_parser(words)
    is_value = False
    for word in before:
        if not is_value:
            parser = words_below(parser).get(word, parser)
        flag = parser._option_string_actions.get(word)  # noqa: SLF001
        is_value = not is_value and flag is not None and flag.nargs is None
    if current.startswith("-"):
        known_flags = (flag for action in parser._actions for flag in action.option_strings)  # noqa: SLF001
        return sorted(flag for flag in known_flags if flag.startswith(current))
    return [word for word in words_below(parser) if word.startswith(current)]
