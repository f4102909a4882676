"""What a shell offers for the word at the cursor: ``offcut completion SHELL``.

The printed script asks ``offcut complete WORD...`` at each press of the key, so that
names of new studies and branches are offered. Only what a shell reads as one plain word
is. Where nothing is offered, the shell offers files.
"""

import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from offcut.targets import KINDS, Target, Variable

SHELLS = {
    "bash": """\
_offcut() {
  mapfile -t COMPREPLY < <(offcut complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _offcut offcut
""",
    "zsh": """\
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
_offcut() {
  local -a found
  found=("${(@f)$(offcut complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n $found ]]; then compadd -a found; else _files; fi
}
compdef _offcut offcut
""",
    "fish": """\
function __offcut
  set -l found (offcut complete (commandline -opc)[2..] (commandline -ct) 2>/dev/null)
  if test (count $found) -gt 0
    printf '%s\\n' $found
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c offcut -f -a '(__offcut)'
""",
}
PLAIN = re.compile(r"[A-Za-z0-9-][A-Za-z0-9_.@/-]*")


def candidates(
    words: Sequence[str],
    commands: Sequence[str],
    options: Sequence[str],
    target: Target | None,
) -> list[str]:
    """The words that could stand at the cursor, in order.

    Args:
        words: Behind ``offcut``, the last one the word at the cursor, maybe empty.
        commands: There are.
        options: Of the command that the first word names.
        target: The target of that name, where there is one.
    """
    *before, current = words or [""]
    if not before:
        found = list(commands)
    elif current.startswith("-"):
        found = list(options)
    elif target:
        found = list(_values(before[1:], target))
    else:
        found = []
    return sorted({w for w in found if w.startswith(current) and PLAIN.fullmatch(w)})


def _values(before: Sequence[str], target: Target) -> Iterator[str]:
    """The values of the variable at the cursor.

    Args:
        before: The words between the command's name and the cursor.
        target: The command.
    """
    options = {v.option: v for v in target.variables if not (v.placed or v.switch)}
    placed = [v for v in target.variables if v.placed]
    if before and before[-1] in options:
        yield from _names(options[before[-1]])
        return
    taken = 0  # words that stand by their place
    for word, last in zip(before, ["", *before], strict=False):
        taken += not (word.startswith("--") or last in options)
    if placed and (taken < len(placed) or placed[-1].several):
        yield from _names(placed[min(taken, len(placed) - 1)])


def _names(variable: Variable) -> Iterator[str]:
    """The names of a kind: files of a folder of the clone, git's, or a line's own."""
    kind = variable.shown
    if kind in KINDS:
        yield from (path.stem for path in Path(KINDS[kind]).glob("*.yaml"))
    elif kind == "REVISION":
        refs = ["for-each-ref", "--format=%(refname:lstrip=2)"]
        git = ["git", *refs, "refs/heads", "refs/tags", "refs/exps"]
        listed = subprocess.run(git, capture_output=True, text=True, check=False)
        names = listed.stdout.split()
        yield from ("workspace", *(_experiment(name) for name in names))
    yield from variable.choices


def _experiment(name: str) -> str:
    """The name of an experiment, which DVC keeps behind the commit it stands on."""
    return re.sub(r"^[0-9a-f]{2}/[0-9a-f]{38}/", "", name)
