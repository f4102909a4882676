"""What came out, in one sentence a revision."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.compare.pair import Pair, Versus
from tasks.compare.revision import Key
from tasks.report.cores import words
from tasks.statistics.verdict import WORDS

NAMED = 3  # variants a sentence names


@dataclass(frozen=True)
class Headline:
    """One revision against the baseline.

    Attributes:
        name: The revision.
        mood: ``bad``, ``mixed``, ``open``, ``good``, ``held`` or ``none``; the page's
            colour.
        statement: What follows the name, e.g. ``is worse than main``.
        counts: Variants by verdict, those verdicts that occur.
        identical: Variants that are the same bytes.
        pairs: Variants that were judged.
        unpaired: Variants that could not be.
        worst: Those that lost most, of the worse ones.
        best: Those that gained most, of the better ones.
    """

    name: str
    mood: str
    statement: str
    counts: dict[str, int]
    identical: int
    pairs: int
    unpaired: int
    worst: tuple[Pair, ...]
    best: tuple[Pair, ...]

    @property
    def sentence(self) -> str:
        """All of it on one line."""
        sentence = f"{self.name} {self.statement}"
        if self.counts:
            tally = [f"{n} {verdict}" for verdict, n in self.counts.items()]
            sentence += f": {', '.join(tally)}"
        if self.identical and self.identical < self.pairs:
            sentence += f" ({self.identical} identical)"
        if self.unpaired:
            sentence += f"; {self.unpaired} not paired"
        return sentence


def headline(baseline: str, versus: Versus) -> Headline:
    """Sum up one revision.

    Args:
        baseline: Name of the baseline.
        versus: The revision against it.
    """
    pairs = versus.pairs
    tally = Counter(pair.verdict.word for pair in pairs)
    identical = sum(pair.identical for pair in pairs)
    mood, statement = summed_up(baseline, tally, identical == len(pairs))
    worse = [
        pair
        for pair in pairs
        if pair.verdict.word in ("REGRESSED", "SUSPECT") and pair.verdict.difference < 0
    ]
    better = [pair for pair in pairs if pair.verdict.word == "IMPROVED"]
    return Headline(
        name=versus.revision.name,
        mood=mood,
        statement=statement,
        counts={word: tally[word] for word in WORDS if tally[word]},
        identical=identical,
        pairs=len(pairs),
        unpaired=len(versus.unpaired),
        worst=tuple(sorted(worse, key=lambda p: p.verdict.difference)[:NAMED]),
        best=tuple(sorted(better, key=lambda p: -p.verdict.difference)[:NAMED]),
    )


def summed_up(baseline: str, tally: Counter[str], identical: bool) -> tuple[str, str]:
    """The mood, and the statement in words: the first that applies.

    Args:
        baseline: Name of the baseline.
        tally: How many variants got which verdict.
        identical: Whether all of them are the same bytes.
    """
    total, worse, better = tally.total(), tally["REGRESSED"], tally["IMPROVED"]
    suspect, open_ = tally["SUSPECT"], tally["UNDERPOWERED"]
    of = f"of {total} variant{'s' if total > 1 else ''}"
    many = f" in all {total} variants" if total > 1 else ""
    nothing = f"cannot be compared with {baseline}: no variant could be paired"
    both = f"is worse than {baseline} in {worse} and better in {better} {of}"
    statements = (
        (not total, "none", nothing),
        (identical, "held", f"is identical to {baseline}, byte for byte"),
        (worse and better, "mixed", both),
        (worse, "bad", f"is worse than {baseline} in {worse} {of}"),
        (suspect, "open", f"may be worse than {baseline} in {suspect} {of}"),
        (better, "good", f"is better than {baseline} in {better} {of}"),
        (open_, "open", f"cannot be told from {baseline} in {open_} {of}"),
        (True, "held", f"holds against {baseline}{many}"),
    )
    return next((mood, text) for holds, mood, text in statements if holds)


def change(pair: Pair) -> str:
    """A difference with its interval, or that there is none."""
    if pair.identical:
        return "identical"
    verdict = pair.verdict
    interval = words.interval(verdict.low, verdict.high)
    return f"{words.signed(verdict.difference)} {interval}"


def named(key: Key, alone: bool) -> str:
    """A variant's name; without the dataset where there is only one."""
    return " / ".join(key[1:] if alone else key)


def alone(all_versus: Sequence[Versus]) -> bool:
    """Whether everything that was looked at is of one dataset."""
    keys = [pair.key for versus in all_versus for pair in versus.pairs]
    keys += [missing.key for versus in all_versus for missing in versus.unpaired]
    return len({dataset for dataset, _, _ in keys}) < 2
