"""The command ``offcut``: use a policy's file; in a clone, call what make does.

``offcut play|bench|card|c FILE`` need numpy and onnxruntime. In the folder of a clone
every target of make is a command too (``offcut.clone``).
"""

import argparse
import difflib
import os
import re
import sys
from collections.abc import Sequence

from offcut import clone, completion, files
from offcut.errors import RefusedError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0, 1 after a refusal, one line on stderr, or 2 if it was misused.

    Args:
        arguments: Words of the command line; None takes the process's.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _run(words)
    except RefusedError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:  # what reads this, such as head, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(words: Sequence[str]) -> int:
    name, *rest = words or ["help"]
    targets = clone.here()
    if name in ("help", "-h", "--help"):
        print(_help(), end="")
    elif name in files.COMMANDS:
        files.run(name, rest)
    elif name == "completion":
        options = argparse.ArgumentParser(
            prog="offcut completion",
            description="Print a script that completes commands and names. In "
            "~/.bashrc or ~/.zshrc: source <(offcut completion bash), or zsh; in "
            "~/.config/fish/config.fish: offcut completion fish | source",
        )
        options.add_argument("shell", choices=completion.SHELLS)
        print(completion.SHELLS[options.parse_args(rest).shell], end="")
    elif name == "complete":
        print("".join(f"{word}\n" for word in _candidates(rest)), end="")
    elif name in targets:
        clone.run(targets[name], rest)
    elif targets:
        near = difflib.get_close_matches(name, _commands(), n=1)
        meant = f", did you mean {near[0]}?" if near else "; `offcut help` lists them"
        print(f"offcut: no command {name!r}{meant}", file=sys.stderr)
        return 2
    else:
        raise clone.elsewhere(name, tuple(files.COMMANDS))
    return 0


def _commands() -> list[str]:
    return [*files.COMMANDS, *clone.here(), "completion", "help"]


def _help() -> str:
    """All commands with what they do."""
    lines = [
        "usage: offcut COMMAND ...      offcut COMMAND --help says more",
        "",
        "Use a policy that Offcut exported, a .onnx file, which is checked first:",
        *(_line(f"{name} FILE", said) for name, said in files.COMMANDS.items()),
        _line("completion SHELL", "print the completion of bash, zsh or fish"),
        "",
    ]
    if targets := clone.here().values():
        lines.append("In this clone, each the target of make of its name:")
        lines += [_line(target.name, target.help) for target in targets]
    else:
        lines.append("In the folder of a clone of Offcut also what `make` lists there.")
    return "".join(f"{line}\n" for line in lines)


def _line(name: str, said: str) -> str:
    return f"  {name:<17} {said}"


def _candidates(words: Sequence[str]) -> list[str]:
    """What completes the last word; options are those that the command's help names."""
    name = words[0] if words else ""
    target = clone.here().get(name)
    options = []
    if name in files.COMMANDS:
        options = re.findall(r"--[a-z]+", files.parser(name).format_help())
    elif target:
        options = re.findall(r"--[a-z]+", clone.parser(target).format_help())
    if name == "completion" and len(words) == 2:
        return completion.candidates(words[1:], list(completion.SHELLS), [], None)
    return completion.candidates(words, _commands(), options, target)


if __name__ == "__main__":
    raise SystemExit(main())
