"""What a block of a Gymnasium world may say: an id, and kwargs that are plain data.

Blocks come with datasets, too, so nothing in them may name code or a file.
"""

import re
from typing import Any

ID = re.compile(r"([A-Za-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*-v\d{1,4}", re.ASCII)
KEY = re.compile(r"[a-z_A-Z]\w{0,63}", re.ASCII)
WORD = re.compile(r"[\w .+-]{0,100}", re.ASCII)
# arguments of gymnasium.make itself, and of wrappers that make other environments
OWN = ("id", "max_episode_steps", "disable_env_checker", "render_mode", "env_id")
DEEPEST, MOST = 8, 10_000
LONGEST = 100  # characters of an id


class EnvId:
    """The rule for an id: letters, digits, ``.``, ``_``, ``-``, a version at the end.

    Nothing stands before it but a namespace and a ``/``.
    """

    def __contains__(self, value: object) -> bool:
        """Whether the value is such an id."""
        return (
            isinstance(value, str)
            and len(value) <= LONGEST
            and ID.fullmatch(value) is not None
            and not value.startswith("GymV")  # these make another id, by a keyword
        )

    def __str__(self) -> str:
        """The rule, for errors."""
        return "an id such as Reacher-v5, without a module before it"


class PlainKwargs:
    """The rule for kwargs: numbers, words, and lists and mappings of them.

    A word has no slash and no colon: it names no file and no module, on which the
    results would depend and no stage would.
    """

    def __contains__(self, value: object) -> bool:
        """Whether the value is a mapping of such, none too deep or long."""
        if not isinstance(value, dict) or any(key in OWN for key in value):
            return False
        todo: list[tuple[Any, int]] = [(value, 0)]
        for _ in range(MOST):
            if not todo:
                return True
            entry, level = todo.pop()
            if level > DEEPEST or not _plain(entry):
                return False
            inner = entry.values() if isinstance(entry, dict) else entry
            if isinstance(entry, dict | list | tuple):
                todo += [(one, level + 1) for one in inner]
        return False

    def __str__(self) -> str:
        """The rule, for errors."""
        return (
            "numbers and words by name, none of a file or module, and none of "
            + ", ".join(OWN)
        )


def _plain(entry: object) -> bool:
    """Whether an entry is plain data, whatever is inside it."""
    if isinstance(entry, dict):
        return all(isinstance(key, str) and KEY.fullmatch(key) for key in entry)
    if isinstance(entry, str):
        return WORD.fullmatch(entry) is not None
    return entry is None or isinstance(entry, int | float | list | tuple)
