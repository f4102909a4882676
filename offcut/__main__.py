"""Use a policy that Offcut exported: ``offcut play|bench|card|c FILE``."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from offcut.c_program import CProgram
from offcut.card import card
from offcut.errors import RefusedError
from offcut.play import play
from offcut.policy import Policy


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0, or 1 after a refusal, which is one line on stderr.

    Args:
        arguments: Words of the command line; None takes the process's.
    """
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except RefusedError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:  # what reads this, such as head, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="offcut",
        description="Use a policy that Offcut exported, a .onnx file. Every command "
        "checks the file first: its contract, its hash where the JSON lies beside it, "
        "and that the graph is plain arithmetic.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    played = commands.add_parser(
        "play",
        help="play it in its environment of Gymnasium",
        description="Play episodes in the environment that the file names, with that "
        "environment's own defaults. It needs the package gymnasium, and what the "
        "environment needs, such as gymnasium[mujoco].",
    )
    played.add_argument("--episodes", type=_count, default=5, help="how many (5)")
    played.add_argument("--seed", type=_seed, default=0, help="of the first start (0)")
    played.add_argument("--render", action="store_true", help="show it in a window")
    played.set_defaults(run=_play)

    timed = commands.add_parser(
        "bench", help="time one call: median and 99th percentile, batch 1, one thread"
    )
    timed.add_argument("--calls", type=_count, default=5000, help="timed (5000)")
    timed.set_defaults(run=_bench)

    shown = commands.add_parser("card", help="print what the file says of itself")
    shown.set_defaults(run=_card)

    written = commands.add_parser(
        "c",
        help="write it as a C99 program of one file",
        description="Write a feed-forward policy of at most 100 kB as one C99 file "
        "that needs math.h alone, with its contract in a comment. offcut_act() "
        "computes the action of one row.",
    )
    written.add_argument("-o", type=Path, required=True, metavar="OUT.c", dest="out")
    written.set_defaults(run=_c)

    for command in (played, timed, shown, written):
        command.add_argument("file", type=Path, metavar="FILE", help="the .onnx file")
    return parser


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


def _play(options: argparse.Namespace) -> None:
    policy = Policy.open(options.file)
    render = "human" if options.render else None
    returns = []
    for total, steps in play(policy, options.episodes, options.seed, render):
        returns.append(total)
        print(f"episode {len(returns)}: return {total:.2f} in {steps} steps")
    print(f"mean return of {len(returns)}: {sum(returns) / len(returns):.2f}")


def _bench(options: argparse.Namespace) -> None:
    timed = Policy.open(options.file).bench(options.calls)
    print(
        f"{timed.p50_us} us median, {timed.p99_us} us 99th percentile "
        f"of {timed.calls} calls at batch 1 on one thread"
    )


def _card(options: argparse.Namespace) -> None:
    print(card(Policy.open(options.file)), end="")


def _c(options: argparse.Namespace) -> None:
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


if __name__ == "__main__":
    raise SystemExit(main())
