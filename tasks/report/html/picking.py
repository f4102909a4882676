"""What the page shows of picking a policy: the score that trial episodes buy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from tasks.report.cores import words
from tasks.report.cores.svg import Scale, axes, line, mark, padded, path, svg, tag
from tasks.report.engine.collect import Data, Study
from tasks.report.engine.judge import Row
from tasks.statistics.picking import Picked, averaged
from tasks.statistics.picking import picking as curve

LEAST = 5  # episodes of each policy, with fewer a pull says too little of them
TRIED = 10  # episodes, of which the sentence speaks


@dataclass(frozen=True)
class Picking:
    """One dataset's policies to pick from.

    Attributes:
        dataset: Its name.
        policies: To pick from: float32 files, of one training seed at a time.
        episodes: Stored of each file.
        blind: How one is picked without an episode, in words.
        points: By trial episodes, from none on.
        best: The mean over training seeds of the best policy's score.
        picture: The curve.
    """

    dataset: str
    policies: int
    episodes: int
    blind: str
    points: tuple[Picked, ...]
    best: float
    picture: Markup

    @property
    def tried(self) -> Picked:
        """After the episodes of which the sentence speaks."""
        return next(point for point in self.points if point.pulls == TRIED)


def pickings(study: Study, rows: Sequence[Row]) -> list[Picking]:
    """One a dataset with several policies, of which enough episodes are stored."""
    pictured = []
    for data in study.datasets:
        parents = {r.result.learner: r for r in rows if r.data is data and r.is_parent}
        if len(parents) < 2:
            continue
        low, high = data.score(0.0), data.score(1.0)
        tables = [row.result.episodes.table() for row in parents.values()]
        scores = low + (high - low) * np.stack(tables, axis=1)  # (S, P, E)
        if scores.shape[2] < LEAST:
            continue
        first, how = _blind(data, list(parents))
        worth = scores.mean(axis=2)  # (S, P)
        unseen = averaged(0, worth[:, list(parents).index(first)], study.confidence)
        points = (unseen, *curve(scores, study.confidence))
        best = float(worth.max(axis=1).mean())
        _, policies, episodes = scores.shape
        drawn = _picture(points, best)
        pictured.append(
            Picking(data.name, policies, episodes, how, points, best, drawn)
        )
    return pictured


def _blind(data: Data, policies: Sequence[str]) -> tuple[str, str]:
    """The policy that is picked without an episode, and how."""
    method = next((m for _, m in data.estimates), None)
    if method is None:
        first = policies[0]
        return first, f"no estimate in this study, so the first listed, {first}"
    of = {p: data.estimates[p, method]["discounted"]["mean"] for p in policies}
    best = max(of, key=lambda p: of[p])
    return best, f"the highest estimate, by {method}: {best}"


def _picture(points: Sequence[Picked], best: float) -> Markup:
    """Expected score of the pick over trial episodes, which are spaced evenly."""
    width, height = 540, 300
    x = Scale(-0.3, len(points) - 0.7, 46, width - 14)
    ends = [v for p in points for v in (p.low, p.score, p.high) if v is not None]
    y = Scale(*padded([*ends, best], 0.1), height - 46, 30)

    def pulls(place: float) -> str:
        return f"{points[round(place)].pulls}"

    drawn: list[str] = [
        axes(
            x,
            y,
            pulls,
            words.short,
            titles=("trial episodes", "expected score of the policy picked"),
            counts=(len(points), 5),
        ),
        line(x.start, y(best), x.end, y(best), "level"),
        tag("text", "the best policy", x=x.start + 4, y=y(best) - 5, class_="note"),
        path([(x(i), y(p.score)) for i, p in enumerate(points[1:], 1)], "stroke"),
    ]
    for i, p in enumerate(points):
        tip = f"{p.pulls} trial episodes\n{words.number(p.score)}"
        whisker: Markup | str = ""
        if p.low is not None and p.high is not None:
            tip += f" {words.interval(p.low, p.high)}"
            whisker = line(x(i), y(p.low), x(i), y(p.high), "whisker")
        shape = 0 if p.pulls else 3
        drawn.append(
            tag(
                "g",
                whisker,
                tag("circle", cx=x(i), cy=y(p.score), r=11, class_="reach"),
                mark(shape, x(i), y(p.score), ""),
                class_="point",
                data_tip=tip,
                tabindex="0",
            )
        )
    title = "Expected score of the policy picked, over trial episodes"
    return svg(width, height, title, *drawn, class_="picture c1")
