"""Pair the variants of two revisions by episode, and judge the difference.

The figures are normalised scores; the references and the rule (margin, confidence,
bootstrap) are the baseline's, so that every revision is judged alike.
Estimates, which come from no world, are kept apart and never judged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.artifacts.params import pick
from tasks.compare.revision import Key, Result, Revision
from tasks.statistics.rule import VerdictParams
from tasks.statistics.verdict import Verdict, judge_scores

EVALUATION = "returns"
# of a world, what changes no episode
REFERENCE = ("ref_min", "ref_max", "measured")


@dataclass(frozen=True)
class Level:
    """Where a variant stands, normalised score.

    Attributes:
        mean: Over seeds and episodes; differences of means are what is judged.
        iqm: Interquartile mean, as the report shows it.
        low: Lower end of the interval of ``iqm``.
        high: Upper end.
    """

    mean: float
    iqm: float
    low: float
    high: float


@dataclass(frozen=True)
class Pair:
    """One variant in the baseline and in another revision.

    Attributes:
        key: Dataset, learner, variant.
        before: In the baseline.
        after: In the other revision.
        verdict: On the difference after - before.
        identical: Whether ONNX files and episodes are the same bytes.
        notes: What a reader of the verdict should know.
    """

    key: Key
    before: Level
    after: Level
    verdict: Verdict
    identical: bool
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Unpaired:
    """A variant that cannot be compared with its namesake, and why."""

    key: Key
    reason: str


@dataclass(frozen=True)
class Estimate:
    """A variant whose numbers come from no world, by revision.

    Attributes:
        key: Dataset, learner, variant.
        values: ``middle``, ``low`` and ``high``, as far as metrics.json has them; None
            where the revision has no estimate of it.
        methods: Who estimated, as far as metrics.json says.
    """

    key: Key
    values: tuple[dict[str, Any] | None, ...]
    methods: tuple[str, ...]


@dataclass(frozen=True)
class Versus:
    """Another revision against the baseline.

    Attributes:
        revision: The other one.
        pairs: Variants that could be compared.
        unpaired: Those that could not, and why.
    """

    revision: Revision
    pairs: tuple[Pair, ...]
    unpaired: tuple[Unpaired, ...]

    def pair(self, key: Key) -> Pair | None:
        """Of one variant, if it could be paired."""
        return next((pair for pair in self.pairs if pair.key == key), None)


def rules(revision: Revision) -> VerdictParams:
    """How the baseline judges: its block ``evaluate.returns``.

    Raises:
        RefusedError: If it has no such block, or a value is out of range.
    """
    where = f"evaluate.{EVALUATION}"
    return VerdictParams.of(pick(revision.params, "evaluate", EVALUATION), where)


def versus(baseline: Revision, other: Revision, params: VerdictParams) -> Versus:
    """Compare a revision with the baseline, variant by variant.

    Args:
        baseline: What is compared with.
        other: The revision.
        params: The rule, the baseline's.
    """
    pairs, unpaired = [], []
    for key in union(baseline.results, other.results):
        both = (revision.results.get(key) for revision in (baseline, other))
        if any(key == name[:3] for r in (baseline, other) for name in r.metrics):
            continue  # metrics stand in a table of their own
        if all(result is not None and result.is_estimate for result in both):
            continue  # estimates stand in a table of their own
        reason = obstacle(baseline, other, key)
        if reason:
            unpaired.append(Unpaired(key, reason))
        else:
            pairs.append(_pair(baseline, other, key, params))
    return Versus(other, tuple(pairs), tuple(unpaired))


def union(*results: Mapping[Key, Any]) -> list[Key]:
    """Every variant, in the order they come in."""
    return list(dict.fromkeys(key for keys in results for key in keys))


def obstacle(baseline: Revision, other: Revision, key: Key) -> str:
    """Why a variant cannot be paired; empty if it can."""
    for here, there in ((baseline, other), (other, baseline)):
        if key not in there.results:
            return f"only in {here.name}: not in the study of {there.name}"
    for revision in (baseline, other):
        if revision.results[key].metrics is None:
            return f"no evaluation of {revision.name} to read"
    a, b = baseline.results[key], other.results[key]
    if a.is_estimate != b.is_estimate:
        names = [baseline.name, other.name]
        estimated, played = names if a.is_estimate else reversed(names)
        return f"an estimate in {estimated}, real returns in {played}"
    return _world(baseline, other, key[0]) or _starts(a, b)


def _world(baseline: Revision, other: Revision, dataset: str) -> str:
    """Why two revisions' worlds are not the same one; empty if they are."""
    a, b = baseline.worlds.get(dataset), other.worlds.get(dataset)
    if a is None or b is None:
        return f"no world.json of {(other if b is None else baseline).name} to read"
    keys = [k for k in a | b if k not in REFERENCE and a.get(k) != b.get(k)]
    if not keys:
        return ""
    changed = (f"{k} {a.get(k)} and {b.get(k)}" for k in keys)
    return f"another world: {', '.join(changed)}"


def _starts(a: Result, b: Result) -> str:
    """Why two tables do not fit row by row; empty if they do."""
    ours, theirs = a.played, b.played
    if ours.seeds != theirs.seeds:
        return f"other training seeds: {_list(ours.seeds)} and {_list(theirs.seeds)}"
    if not np.array_equal(ours.start_seed, theirs.start_seed):
        starts = (_list(ours.start_seed), _list(theirs.start_seed))
        return f"other start seeds: {starts[0]} and {starts[1]}"
    return ""


def _list(numbers: Any) -> str:
    """Whole numbers in few words: ``0 to 19``, or one by one."""
    unique = [int(n) for n in np.unique(np.asarray(numbers))]
    if len(unique) > 2 and unique == list(range(unique[0], unique[-1] + 1)):
        return f"{unique[0]} to {unique[-1]}"
    return ", ".join(map(str, unique))


def _pair(baseline: Revision, other: Revision, key: Key, params: VerdictParams) -> Pair:
    """One variant, judged; nothing stands in the way of pairing it."""
    a, b = baseline.results[key], other.results[key]
    world = baseline.worlds[key[0]]
    verdict = judge_scores(b.played, a.played, world, params)
    same_files = bool(a.graphs) and a.hashes() == b.hashes()
    same_episodes = a.table == b.table
    notes = []
    if same_files and not same_episodes:
        notes.append("same ONNX files, other episodes: evaluation or machine changed")
    if same_episodes and not same_files and a.graphs and b.graphs:
        notes.append("other ONNX files, same episodes")
    if _data(baseline, key) != _data(other, key):
        notes.append("made from other data")
    modes = [str(r.metrics.get("mode")) if r.metrics else "None" for r in (a, b)]
    if modes[0] != modes[1]:
        notes.append(f"run in mode {modes[1]} instead of {modes[0]}")
    if 0 < len(verdict.regressed_seeds) < len(a.played.seeds):
        seeds = ", ".join(map(str, verdict.regressed_seeds))
        notes.append(f"seed {seeds} regressed")
    return Pair(
        key=key,
        before=level(a, world),
        after=level(b, world),
        verdict=verdict,
        identical=same_files and same_episodes,
        notes=tuple(notes),
    )


def _data(revision: Revision, key: Key) -> str:
    """Hash of the data a variant was made from; empty where it is not known."""
    contracts = revision.results[key].contracts.values()
    return next((str(c["dataset"]["sha256"]) for c in contracts), "")


def level(result: Result, world: Mapping[str, Any]) -> Level:
    """A variant's returns as scores of a world, the baseline's."""
    ref_min, ref_max = float(world["ref_min"]), float(world["ref_max"])

    def score(value: float) -> float:
        return 100.0 * (value - ref_min) / (ref_max - ref_min)

    if result.metrics is None:
        raise LookupError("no evaluation was read")
    returns = result.metrics["return"]
    low, high = (
        score(float(end))
        for end in (
            returns.get("low", returns["iqm"]),
            returns.get("high", returns["iqm"]),
        )
    )
    mean = score(float(result.played.returns.mean()))
    return Level(mean, score(float(returns["iqm"])), low, high)


def estimates(revisions: Sequence[Revision]) -> list[Estimate]:
    """Every variant that some revision only estimates, then every estimator's."""
    rows = []
    for key in union(*(revision.results for revision in revisions)):
        values, methods = [], []
        for revision in revisions:
            result = revision.results.get(key)
            metrics = result.metrics if result and result.is_estimate else None
            both = [metrics.get("score"), metrics.get("return")] if metrics else []
            values.append(_estimated(next(filter(None, both), None)))
            if metrics and metrics.get("method"):
                methods.append(str(metrics["method"]))
        if any(value is not None for value in values):
            rows.append(Estimate(key, tuple(values), tuple(dict.fromkeys(methods))))
    for name in union(*(revision.estimates for revision in revisions)):
        dataset, learner, method = name
        files = [revision.estimates.get(name) for revision in revisions]
        variant = next(str(metrics["variant"]) for metrics in files if metrics)
        estimated = tuple(_estimated(m and m["discounted"]) for m in files)
        about = f"{method}, discounted return"
        rows.append(Estimate((dataset, learner, variant), estimated, (about,)))
    return rows


def _estimated(block: Any) -> dict[str, Any] | None:
    """Its ``middle`` (interquartile mean or mean), ``low`` and ``high``, if any."""
    if not isinstance(block, Mapping):
        return None
    names = {"mean": "middle", "iqm": "middle", "low": "low", "high": "high"}
    return {to: block[name] for name, to in names.items() if name in block}
