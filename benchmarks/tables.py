"""Markdown of rows."""

from typing import Any


def table(head: str, rows: list[list[Any]]) -> str:
    """A Markdown table; ``head`` has its columns between bars."""
    lines = [f"| {head} |", "|" + "---|" * (head.count("|") + 1)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines)


def number(value: float, unit: str) -> str:
    """A share in per cent, a ratio or seconds as such."""
    return f"{value:.0%}" if unit == "%" else f"{value:.1f} {unit}"
