"""What came out, in one sentence a revision."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.compare.collect import Key
from tasks.compare.pair import Pair, Versus
from tasks.report.cores import words

# as they are listed: what needs a look comes first
VERDICTS = ("REGRESSED", "SUSPECT", "UNDERPOWERED", "IMPROVED", "HELD")
NAMED = 3  # artifacts a sentence names


@dataclass(frozen=True)
class Answer:
    """One revision against the baseline.

    Attributes:
        name: The revision.
        mood: ``bad``, ``mixed``, ``open``, ``good``, ``held`` or ``none``.
        claim: What follows the name, e.g. ``is worse than main``.
        counts: Artifacts by verdict, those of ``VERDICTS`` that occur.
        identical: Artifacts that are the same bytes.
        pairs: Artifacts that were judged.
        unpaired: Artifacts that could not be.
        worst: Those that lost most, of the worse ones.
        best: Those that gained most, of the better ones.
    """

    name: str
    mood: str
    claim: str
    counts: dict[str, int]
    identical: int
    pairs: int
    unpaired: int
    worst: tuple[Pair, ...]
    best: tuple[Pair, ...]

    @property
    def sentence(self) -> str:
        """All of it on one line."""
        said = f"{self.name} {self.claim}"
        if self.counts:
            tally = [f"{n} {verdict}" for verdict, n in self.counts.items()]
            said += f": {', '.join(tally)}"
        if self.identical and self.identical < self.pairs:
            said += f" ({self.identical} identical)"
        if self.unpaired:
            said += f"; {self.unpaired} not paired"
        return said


def answer(baseline: str, found: Versus) -> Answer:
    """Sum up one revision.

    Args:
        baseline: Name of A.
        found: The revision against it.
    """
    seen = Counter(pair.judged.word for pair in found.pairs)
    counts = {word: seen[word] for word in VERDICTS if seen[word]}
    identical = sum(pair.identical for pair in found.pairs)
    mood, claim = _claim(baseline, seen, identical == len(found.pairs))
    worse = [
        pair
        for pair in found.pairs
        if pair.judged.word in ("REGRESSED", "SUSPECT") and pair.judged.difference < 0
    ]
    better = [pair for pair in found.pairs if pair.judged.word == "IMPROVED"]
    return Answer(
        name=found.side.name,
        mood=mood,
        claim=claim,
        counts=counts,
        identical=identical,
        pairs=len(found.pairs),
        unpaired=len(found.unpaired),
        worst=tuple(sorted(worse, key=lambda p: p.judged.difference)[:NAMED]),
        best=tuple(sorted(better, key=lambda p: -p.judged.difference)[:NAMED]),
    )


def _claim(baseline: str, seen: Counter[str], identical: bool) -> tuple[str, str]:
    """The mood, and the claim in words: the first that applies."""
    total, worse, better = seen.total(), seen["REGRESSED"], seen["IMPROVED"]
    suspect, open_ = seen["SUSPECT"], seen["UNDERPOWERED"]
    of = f"of {total} artifact{'s' if total > 1 else ''}"
    many = f" in all {total} artifacts" if total > 1 else ""
    nothing = f"cannot be compared with {baseline}: no artifact could be paired"
    both = f"is worse than {baseline} in {worse} and better in {better} {of}"
    claims = (
        (not total, "none", nothing),
        (identical, "held", f"is identical to {baseline}, byte for byte"),
        (worse and better, "mixed", both),
        (worse, "bad", f"is worse than {baseline} in {worse} {of}"),
        (suspect, "open", f"may be worse than {baseline} in {suspect} {of}"),
        (better, "good", f"is better than {baseline} in {better} {of}"),
        (open_, "open", f"cannot be told from {baseline} in {open_} {of}"),
        (True, "held", f"holds against {baseline}{many}"),
    )
    return next((mood, claim) for holds, mood, claim in claims if holds)


def change(pair: Pair) -> str:
    """A difference with its interval, or that there is none."""
    if pair.identical:
        return "identical"
    judged = pair.judged
    return (
        f"{words.signed(judged.difference)} {words.interval(judged.low, judged.high)}"
    )


def named(key: Key, alone: bool) -> str:
    """An artifact's name; without the dataset where there is only one."""
    return " / ".join(key[1:] if alone else key)


def alone(found: Sequence[Versus]) -> bool:
    """Whether everything that was looked at is of one dataset."""
    keys = [pair.key for one in found for pair in one.pairs]
    keys += [unpaired.key for one in found for unpaired in one.unpaired]
    return len({dataset for dataset, _, _ in keys}) < 2
