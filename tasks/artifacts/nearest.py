"""What a user may have meant by a word that is not one of those there are."""

import difflib
from collections.abc import Iterable

ALIKE = 0.6  # share of two words that agrees, from which one is taken for the other
MOST = 20  # names listed where none is near


def nearest(word: object, names: Iterable[str]) -> str | None:
    """The name most like a word, or the first that has it in it; None where none is."""
    word, names = str(word)[:100], sorted(names)
    near = difflib.get_close_matches(word, names, 1, ALIKE)
    near += [name for name in names if len(word) >= 3 and word in name]
    return near[0] if near else None


def listed(names: Iterable[str]) -> str:
    """Names in a sentence, in order; of very many the first."""
    names = sorted(names)
    rest = len(names) - MOST
    return ", ".join(names[:MOST]) + (f" and {rest} more" if rest > 0 else "")


def suggestion(word: object, names: Iterable[str]) -> tuple[str, str]:
    """What was expected instead of an unknown word, and what to do about it."""
    if not (names := sorted(names)):
        return "none, as there are no such names", "remove it"
    near = nearest(word, names)
    return (
        f"one of {listed(names)}",
        f"did you mean {near}?" if near else "take one of these, or remove it",
    )
