"""The error with which Offcut refuses bad input."""

from typing import Any

LONGEST = 1000  # letters of each part of an error


class RefusedError(Exception):
    """Bad input, refused before anything is written.

    Its text is one line: where it was found, which field, what stood there, what
    was expected, and the command or edit that mends it.

    Args:
        where: File or object the input came from, e.g. ``params.yaml``.
        field: The field inside it, e.g. ``train.iql.expectile``.
        found: What stood there.
        expected: What would have been accepted.
        mend: What the user can do about it.
    """

    def __init__(
        self, where: object, field: str, found: object, expected: object, mend: str
    ) -> None:
        self.where, self.field = _line(where), _line(field)
        self.found, self.expected, self.mend = (
            _line(found),
            _line(expected),
            _line(mend),
        )
        super().__init__(
            f"{self.where}: {self.field}: found {self.found}, "
            f"expected {self.expected}; {self.mend}"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Let the error be passed from one process to another with its fields."""
        fields = (self.where, self.field, self.found, self.expected, self.mend)
        return type(self), fields


def _line(value: object) -> str:
    """The text of a value on one line, cut where it is long, without control codes."""
    text = " ".join(str(value).split())
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}... ({len(text)} letters)"
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
