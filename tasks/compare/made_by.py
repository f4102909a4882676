"""Which methods made a variant differently in another revision, by its contracts.

A contract's ``made_by`` lists the methods that had a part in the file, in order (how it
was trained, compressed ...), each with the SHA-256 of its parameters and of its code.
So a difference of results can be told apart: other parameters, or other code. Contracts
from before the key existed do not state it, which is said and is no error.

Which commit a revision is comes from git; a contract names none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.compare.revision import Key, Result, Revision

HASHES = {"params_sha256": "parameters", "code_sha256": "code"}


@dataclass(frozen=True)
class Change:
    """One difference in how variants were made.

    Attributes:
        revision: Name of the revision that is not as the baseline.
        what: E.g. ``train.iql: parameters differ``.
        keys: The variants it is true of.
    """

    revision: str
    what: str
    keys: tuple[Key, ...]

    @property
    def method(self) -> str:
        """The method that differs; empty where the difference is not one method's."""
        method, colon, _ = self.what.partition(": ")
        return method if colon else ""


def changes(baseline: Revision, other: Revision) -> list[Change]:
    """How another revision made its variants differently, each difference once.

    Args:
        baseline: What is compared with.
        other: The revision; variants that only one of the two has do not count.
    """
    keys: dict[str, list[Key]] = {}
    for key, before in baseline.results.items():
        after = other.results.get(key)
        if after is None:
            continue
        for what in _of_variant(before, after, (baseline.name, other.name)):
            keys.setdefault(what, []).append(key)
    return [Change(other.name, what, tuple(true_of)) for what, true_of in keys.items()]


def _of_variant(before: Result, after: Result, names: tuple[str, str]) -> list[str]:
    """Differences of one variant, over the training seeds both revisions have."""
    seeds = sorted(before.contracts.keys() & after.contracts.keys())
    said = [
        what
        for seed in seeds
        for what in differences(before.contracts[seed], after.contracts[seed], names)
    ]
    return list(dict.fromkeys(said))


def differences(
    before: Mapping[str, Any], after: Mapping[str, Any], names: tuple[str, str]
) -> list[str]:
    """What differs between the ``made_by`` of two contracts, in words.

    Args:
        before: The baseline's contract.
        after: The other revision's.
        names: Of the baseline and of the other revision.
    """
    ours, theirs = stated(before), stated(after)
    silent = [
        name
        for name, entries in zip(names, (ours, theirs), strict=True)
        if entries is None
    ]
    if ours is None or theirs is None:
        return [f"not stated in {' and '.join(silent)}"]
    a, b = _by_method(ours), _by_method(theirs)
    said = []
    for method in a | b:
        if method not in b or method not in a:
            said.append(f"{method}: only in {names[method in b]}")
            continue
        parts = [
            word for key, word in HASHES.items() if a[method][key] != b[method][key]
        ]
        if parts:
            verb = "differ" if parts != ["code"] else "differs"
            said.append(f"{method}: {' and '.join(parts)} {verb}")
    if a.keys() == b.keys() and list(a) != list(b):
        said.append(f"in another order, {', '.join(b)}")
    return said


def stated(contract: Mapping[str, Any]) -> list[dict[str, str]] | None:
    """The entries of ``made_by``; None where the contract states none it should."""
    entries = contract.get("made_by")
    if not isinstance(entries, list) or not all(
        isinstance(entry, Mapping) and {"method", *HASHES} <= entry.keys()
        for entry in entries
    ):
        return None
    return [{key: str(value) for key, value in entry.items()} for entry in entries]


def _by_method(entries: Sequence[dict[str, str]]) -> dict[str, dict[str, str]]:
    """Entries by method; one that had a second part is told by its number."""
    by_method: dict[str, dict[str, str]] = {}
    for entry in entries:
        name, number = entry["method"], 2
        while name in by_method:
            name, number = f"{entry['method']} ({number})", number + 1
        by_method[name] = entry
    return by_method
