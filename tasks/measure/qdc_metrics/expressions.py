"""Responses such as ``((7 + 5) * 2) = 24``: parsed, never executed."""

import re
from dataclasses import dataclass

SIGN = re.compile(r"\s*(-?\d+|[()+*=-])")
DEEPEST = 50  # brackets in brackets


@dataclass(frozen=True)
class Parsed:
    """What a response says.

    Attributes:
        value: What its left side comes to.
        stated: What it says it comes to.
        depth: Operations inside each other.
        operators: Operations.
    """

    value: int
    stated: int
    depth: int
    operators: int


def parse(response: str) -> Parsed | None:
    """Read ``expression = number``; None if it is none.

    expression: number | "(" expression operation expression ")"; operation: + - *
    """
    signs = _signs(response)
    if signs is None:
        return None
    try:
        value, depth, operators, at = _expression(signs, 0, 0)
        equal, stated = signs[at], int(signs[at + 1])
    except (IndexError, ValueError):
        return None
    if equal != "=" or at + 2 != len(signs):
        return None
    return Parsed(value, stated, depth, operators)


def _signs(text: str) -> list[str] | None:
    """Numbers and signs; None if there is anything else.

    A minus straight before a digit belongs to it, so operations stand between spaces.
    """
    signs, at, text = [], 0, text.strip()
    while at < len(text):
        match = SIGN.match(text, at)
        if not match:
            return None
        signs.append(match[1])
        at = match.end()
    return signs


def _expression(signs: list[str], at: int, inside: int) -> tuple[int, int, int, int]:
    """Value, depth, operations, and the place after it.

    Raises:
        ValueError: If there is none.
        IndexError: If the text ends too early.
    """
    if signs[at] != "(":
        return int(signs[at]), 0, 0, at + 1
    if inside >= DEEPEST:
        raise ValueError("too deep")
    a, deep_a, n_a, at = _expression(signs, at + 1, inside + 1)
    operation = signs[at]
    b, deep_b, n_b, at = _expression(signs, at + 1, inside + 1)
    if signs[at] != ")" or operation not in ("+", "-", "*"):
        raise ValueError(operation)
    value = {"+": a + b, "-": a - b, "*": a * b}[operation]
    return value, 1 + max(deep_a, deep_b), 1 + n_a + n_b, at + 1
