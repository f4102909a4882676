"""What the page shows of quality, diversity and complexity, computed."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tasks.artifacts.variants import PARENT
from tasks.report.cores import words
from tasks.report.cores.svg import COLOURS, Scale, axes, mark, padded, svg, tag
from tasks.report.engine.collect import Data
from tasks.statistics.composition import (
    Composed,
    Correlation,
    compose,
    correlations,
)

ID, OOD = "ID score", "OOD score"
ABOUT = (
    "of the best float32 policy trained on the dataset, from the starts of the world; "
    "no stage plays starts or goals that a dataset leaves out, so there is no OOD score"
)


@dataclass(frozen=True)
class Composition:
    """Datasets of one world, side by side.

    Attributes:
        world: Its name.
        rows: One a dataset.
        scores: By kind and dataset.
        correlations: Of each letter with each kind of score.
        picture: Quality against diversity.
        about: What the ID score is.
    """

    world: str
    rows: tuple[Composed, ...]
    scores: dict[str, dict[str, float | None]]
    correlations: tuple[Correlation, ...]
    picture: Markup
    about: str = ABOUT


def compositions(datasets: Sequence[Data]) -> list[Composition]:
    """One a world with at least two measured datasets.

    Raises:
        RefusedError: If datasets of one world were not measured together.
    """
    worlds: dict[str, list[Data]] = {}
    for data in datasets:
        if data.qdc:
            worlds.setdefault(str(data.world["name"]), []).append(data)
    compared = []
    for world, those in worlds.items():
        metrics = {data.name: data.qdc for data in those if data.qdc}
        if len(metrics) < 2:
            continue
        rows = compose(metrics, f"data/qdc, world {world}")
        scores: dict[str, dict[str, float | None]] = {
            ID: {data.name: _best(data) for data in those},
            OOD: {data.name: None for data in those},
        }
        seed = int(next(iter(metrics.values()))["seed"])
        related = correlations(rows, scores, seed)
        compared.append(
            Composition(world, tuple(rows), scores, tuple(related), _picture(rows))
        )
    return compared


def _best(data: Data) -> float | None:
    """Score of the best learner's float32 variant."""
    known = [
        float(result.metrics["score"]["iqm"])
        for (_, variant), result in data.results.items()
        if variant == PARENT
    ]
    return max(known, default=None)


def _picture(rows: Sequence[Composed]) -> Markup:
    """Quality over diversity, a mark a dataset, those of the front in full colour."""
    known = [
        (number, row, d, q)
        for number, row in enumerate(rows)
        if (d := row.letters["diversity"]) is not None
        and (q := row.letters["quality"]) is not None
    ]
    if not known:
        return Markup()
    width, height = 540, 300
    x = Scale(*padded([d for _, _, d, _ in known], 0.12), 46, width - 14)
    y = Scale(*padded([q for _, _, _, q in known], 0.12), height - 46, 30)
    drawn: list[str] = [
        axes(x, y, words.short, words.short, titles=("diversity, mean z", "quality"))
    ]
    for number, row, d, q in known:
        right = x(d) > width / 2
        name = tag(
            "text",
            row.name,
            x=x(d) + (-9 if right else 9),
            y=y(q) - 8,
            class_=f"label {'end' if right else ''}",
        )
        tip = (
            f"{row.name}\ndiversity {words.signed(d, 2)}, quality {words.signed(q, 2)}"
        )
        drawn.append(
            tag(
                "g",
                mark(0, x(d), y(q), "", 1.15),
                name,
                class_=f"point c{number % COLOURS}{'' if row.front else ' behind'}",
                data_tip=f"{row.name}\n{tip}",
                tabindex="0",
            )
        )
    return svg(width, height, "Quality against diversity", *drawn, class_="picture")
