"""Commands that take a policy's file: ``offcut play|bench|card|c FILE``."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from offcut.errors import RefusedError

COMMANDS = {
    "play": "play it in its environment of Gymnasium",
    "bench": "time one call: median and 99th percentile, batch 1, one thread",
    "card": "print what the file says of itself",
    "c": "write it as a C99 program of one file",
}
MORE = {
    "play": "Play episodes in the environment that the file names, with that "
    "environment's own defaults. It needs the package gymnasium, and what the "
    "environment needs, such as gymnasium[mujoco].",
    "c": "Write a feed-forward policy of at most 100 kB as one C99 file that needs "
    "math.h alone, with its contract in a comment. offcut_act() computes the action "
    "of one row.",
}


def run(name: str, words: Sequence[str]) -> None:
    """Run a command.

    Args:
        name: One of `COMMANDS`.
        words: Behind its name.

    Raises:
        RefusedError: If the file is refused.
    """
    RUNS[name](parser(name).parse_args(list(words)))


def parser(name: str) -> argparse.ArgumentParser:
    """The command line of a command.

    Args:
        name: One of `COMMANDS`.
    """
    said = MORE.get(name, f"{COMMANDS[name][:1].upper()}{COMMANDS[name][1:]}.")
    command = argparse.ArgumentParser(prog=f"offcut {name}", description=said)
    if name == "play":
        command.add_argument("--episodes", type=_count, default=5, help="how many (5)")
        command.add_argument(
            "--seed", type=_seed, default=0, help="of the first start (0)"
        )
        command.add_argument(
            "--render", action="store_true", help="show it in a window"
        )
    elif name == "bench":
        command.add_argument("--calls", type=_count, default=5000, help="timed (5000)")
    elif name == "c":
        command.add_argument(
            "-o", type=Path, required=True, metavar="OUT.c", dest="out"
        )
    command.add_argument("file", type=Path, metavar="FILE", help="the .onnx file")
    return command


def _count(text: str) -> int:
    """A whole number above 0."""
    if (number := int(text)) < 1:
        raise ValueError
    return number


def _seed(text: str) -> int:
    """A whole number, 0 or above."""
    if (number := int(text)) < 0:
        raise ValueError
    return number


# numpy and onnxruntime are imported where a file is opened: help is there at once


def _play(options: argparse.Namespace) -> None:
    from offcut.play import play
    from offcut.policy import Policy

    policy = Policy.open(options.file)
    render = "human" if options.render else None
    returns = []
    for total, steps in play(policy, options.episodes, options.seed, render):
        returns.append(total)
        print(f"episode {len(returns)}: return {total:.2f} in {steps} steps")
    print(f"mean return of {len(returns)}: {sum(returns) / len(returns):.2f}")


def _bench(options: argparse.Namespace) -> None:
    from offcut.policy import Policy

    timed = Policy.open(options.file).bench(options.calls)
    print(
        f"{timed.p50_us} us median, {timed.p99_us} us 99th percentile "
        f"of {timed.calls} calls at batch 1 on one thread"
    )


def _card(options: argparse.Namespace) -> None:
    from offcut.card import card
    from offcut.policy import Policy

    print(card(Policy.open(options.file)), end="")


def _c(options: argparse.Namespace) -> None:
    from offcut.c_program import CProgram
    from offcut.policy import Policy

    text = CProgram(Policy.open(options.file)).text
    try:
        with options.out.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        mend = "name a new file with: -o policy.c"
        raise RefusedError(
            options.out, "file", error.strerror, "a new file", mend
        ) from None
    print(f"{options.out}: {len(text.encode()):,} bytes of C99")


RUNS: dict[str, Callable[[argparse.Namespace], None]] = {
    "play": _play,
    "bench": _bench,
    "card": _card,
    "c": _c,
}
