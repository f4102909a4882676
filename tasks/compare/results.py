"""The results of a comparison: a row a variant, with its differences drawn."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tasks.compare.pair import Level, Pair, Unpaired, Versus, level
from tasks.compare.revision import Key, Result, Revision
from tasks.report.cores.pictures import ruler, strip
from tasks.report.cores.svg import COLOURS


@dataclass(frozen=True)
class Cell:
    """One variant in another revision.

    Attributes:
        pair: None where it could not be paired.
        strip: The difference as a picture.
        size: Bytes, if known.
        ratio: Of the baseline's bytes, if known.
        error: Mean distance to the float32 file's actions on the states that it visits,
            if it was told.
        error_before: The baseline's.
        regret: Of a table, what is missing to the best policy: smaller is better.
        regret_before: The baseline's.
    """

    pair: Pair | None
    strip: Markup
    size: float | None
    ratio: float | None
    error: float | None
    error_before: float | None
    regret: float | None
    regret_before: float | None


@dataclass(frozen=True)
class Row:
    """One variant that could be paired with at least one revision.

    Attributes:
        key: Dataset, learner, variant.
        level: Where it stands in the baseline.
        size: Bytes in the baseline, if known.
        cells: One for each other revision.
    """

    key: Key
    level: Level
    size: float | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Section:
    """Results on one dataset.

    Attributes:
        dataset: Its name.
        world: Where it was recorded.
        ruler: The head of a column of pictures.
        rows: The variants, in the order of the study.
    """

    dataset: str
    world: str
    ruler: Markup
    rows: tuple[Row, ...]


def sections(
    revisions: Sequence[Revision], versus: Sequence[Versus]
) -> Iterable[Section]:
    """Datasets in the baseline's order, each with its paired variants.

    Args:
        revisions: The baseline first.
        versus: Each other revision against it.
    """
    baseline = revisions[0]
    for dataset, world in baseline.worlds.items():
        pairs = [p for one in versus for p in one.pairs if p.key[0] == dataset]
        if not pairs:
            continue
        span = _span(pairs)
        rows = []
        for key in dict.fromkeys(p.key for p in pairs):
            standing = level(baseline.results[key], world)
            cells = tuple(
                _cell(one, key, baseline.results[key], span, number)
                for number, one in enumerate(versus, 1)
            )
            rows.append(Row(key, standing, baseline.results[key].bytes, cells))
        order = list(baseline.results)
        yield Section(
            dataset=dataset,
            world=str(world["name"]),
            ruler=ruler(
                span, [("worse", span[0] / 2), ("0", 0.0), ("better", span[1] / 2)]
            ),
            rows=tuple(sorted(rows, key=lambda row: order.index(row.key))),
        )


def _span(pairs: Sequence[Pair]) -> tuple[float, float]:
    """The line all differences of a table share; 0 is well inside."""
    verdicts = [pair.verdict for pair in pairs]
    low = min(0.0, *(min(v.low, -v.margin) for v in verdicts))
    high = max(0.0, *(v.high for v in verdicts))
    return min(1.06 * low, -0.4 * high), max(1.06 * high, -0.4 * low)


def _cell(
    versus: Versus,
    key: Key,
    baseline: Result,
    span: tuple[float, float],
    colour: int,
) -> Cell:
    """One variant in one other revision, and in the baseline."""
    pair = versus.pair(key)
    result = versus.revision.results.get(key)
    size, whole = result.bytes if result else None, baseline.bytes
    drawn = Markup()
    if pair:
        verdict = pair.verdict
        value = (verdict.low, verdict.difference, verdict.high)
        drawn = strip(span, [0.0, -verdict.margin], value, colour % COLOURS)
    ratio = size / whole if size and whole else None
    errors, regrets = _error(result), _regret(result)
    before = _error(baseline), _regret(baseline)
    return Cell(pair, drawn, size, ratio, errors, before[0], regrets, before[1])


def _error(result: Result | None) -> float | None:
    """A variant's action error on visited states, if it was told."""
    metrics = result.metrics if result else None
    told = metrics.get("action_error", {}).get("visited") if metrics else None
    return told["mean"] if told else None


def _regret(result: Result | None) -> float | None:
    """A table's regret, if it was told."""
    metrics = result.metrics if result else None
    return metrics["regret"]["mean"] if metrics and "regret" in metrics else None


def reasons(versus: Sequence[Versus]) -> Iterable[tuple[str, str, tuple[Key, ...]]]:
    """What could not be paired: revision, reason, and the variants it is true of."""
    for one in versus:
        grouped: dict[str, list[Unpaired]] = {}
        for unpaired in one.unpaired:
            grouped.setdefault(unpaired.reason, []).append(unpaired)
        for reason, listed in grouped.items():
            yield one.revision.name, reason, tuple(u.key for u in listed)
