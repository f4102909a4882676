"""Tables and numbers of the pages in Markdown."""

from typing import Any


def table(head: str, rows: list[list[Any]]) -> str:
    """A Markdown table.

    Args:
        head: The names of its columns, with bars between.
        rows: Its cells.
    """
    lines = [f"| {head} |", "|" + "---|" * (head.count("|") + 1)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines)


def number(value: float, unit: str) -> str:
    """A number with its unit; a share, of unit ``%``, in per cent."""
    return f"{value:.0%}" if unit == "%" else f"{value:.1f} {unit}"
