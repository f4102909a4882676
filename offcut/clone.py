"""Commands of a clone: each is the target of its Makefile, called by `offcut`.

What a command does stands in the Makefile alone. Here the words of a command line
become its variables, which reach make by the environment, so that no shell reads them.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from offcut.errors import RefusedError
from offcut.targets import Target, Variable, is_clone, said, targets


def here() -> dict[str, Target]:
    """The targets of the clone in the current folder, by name; of none there, none."""
    return targets(Path.cwd()) if is_clone(Path.cwd()) else {}


def elsewhere(command: str, known: Sequence[str]) -> RefusedError:
    """Why a command cannot be run in the current folder, which is no clone.

    Args:
        command: Its name.
        known: The commands that need no clone.
    """
    folder = Path.cwd()
    for other in (*folder.parents, Path(__file__).resolve().parents[1]):
        if is_clone(other):
            mend = f"a clone is at {other}: cd there"
            break
    else:
        mend = "get a clone with git, then `make setup` in it"
    expected = f"a clone of Offcut (without one there are {', '.join(known)})"
    return RefusedError(f"offcut {command}", "folder", folder, expected, mend)


def parser(target: Target) -> argparse.ArgumentParser:
    """The command line of a target; a value that is missing is left to make.

    Args:
        target: Of the clone.
    """
    made = argparse.ArgumentParser(
        prog=f"offcut {target.name}",
        usage=" ".join(("offcut", target.name, *map(_usage, target.variables))),
        description=f"{target.help[:1].upper()}{target.help[1:]}.",
        epilog=f"The same as: {target.call}",
        allow_abbrev=False,
    )
    for variable in target.variables:
        if variable.placed:
            count = "*" if variable.several else "?"
            made.add_argument(variable.name, nargs=count, metavar=variable.shown)
        elif variable.switch:
            made.add_argument(variable.option, dest=variable.name, action="store_true")
        elif variable.several:
            made.add_argument(
                variable.option,
                dest=variable.name,
                metavar=variable.shown,
                action="extend",
                nargs="+",
            )
        else:
            made.add_argument(
                variable.option, dest=variable.name, metavar=variable.shown
            )
    return made


def _usage(variable: Variable) -> str:
    """A variable in the line that says how a command is called."""
    text = f"{variable.shown} ..." if variable.several else variable.shown
    if variable.needed:
        return text
    if variable.placed:
        return f"[{text}]"
    return f"[{variable.option}]" if variable.switch else f"[{variable.option} {text}]"


def environment(target: Target, words: Sequence[str]) -> dict[str, str]:
    """The variables that make is given for a command line, and no others of its own.

    Args:
        target: Of the clone.
        words: Behind the command's name.
    """
    given = vars(parser(target).parse_intermixed_args(list(words)))
    env = {}
    for variable in target.variables:
        value = given[variable.name]
        if value is True:
            env[variable.name] = "1"
        elif value:
            env[variable.name] = (
                value if isinstance(value, str) else variable.text(value)
            )
    return env


def run(target: Target, words: Sequence[str]) -> NoReturn:
    """Become make, in the clone that is the current folder.

    Args:
        target: Of the clone.
        words: Behind the command's name.

    Raises:
        RefusedError: If there is no make.
    """
    env = environment(target, words)
    # what a shell happens to export under such a name was not said to this command
    kept = {k: v for k, v in os.environ.items() if k not in said(Path.cwd())}
    sys.stdout.flush()
    try:
        os.execvpe("make", ["make", target.name], kept | env)  # noqa: S606, words
    except FileNotFoundError:
        raise RefusedError(
            f"offcut {target.name}", "make", "none on the PATH", "make", "install make"
        ) from None
