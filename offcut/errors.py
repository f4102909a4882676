"""The error with which a file or an input is refused."""

LONGEST = 300  # letters of each part


class RefusedError(Exception):
    """Bad input. Its text is one line.

    Args:
        where: The file or object the input came from.
        field: The field inside it.
        found: What stood there.
        expected: What would have been accepted.
        mend: What the user can do about it.
    """

    def __init__(
        self, where: object, field: str, found: object, expected: object, mend: str
    ) -> None:
        super().__init__(
            f"{_line(where)}: {_line(field)}: found {_line(found)}, "
            f"expected {_line(expected)}; {_line(mend)}"
        )


def _line(value: object) -> str:
    """The text of a value on one line, cut where it is long, without control codes."""
    text = " ".join(str(value).split())
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}... ({len(text)} letters)"
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
