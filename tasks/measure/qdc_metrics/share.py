"""A dataset's share, digested, and the figures of it.

Shapes: n episodes, m of them whose steps count, N steps, O observation, A action.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.spaces import Discrete

from tasks.artifacts.episodes import Episode
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.readings import steps
from tasks.measure.qdc_metrics import complexity, diversity, quality
from tasks.measure.qdc_metrics.embedding import REACH, Yardstick, features
from tasks.measure.qdc_metrics.figures import (
    Bootstrap,
    Doubles,
    Measure,
    Wholes,
    unavailable,
)
from tasks.measure.qdc_metrics.probe import probe
from tasks.measure.qdc_metrics.sample import Source, walk

if TYPE_CHECKING:
    from tasks.measure.qdc_metrics import QdcParams

CODE = 4.0  # deviations that 8 bits reach from the middle
FEWEST = 4  # episodes whose steps are looked at


@dataclass(frozen=True)
class Share:
    """What was read of a dataset.

    Attributes:
        source: The dataset.
        by: What it is measured by.
        p: The parameters.
        points: (n, F), embedded episodes.
        returns: (n,).
        lengths: (n,).
        valid: (n,), transitions inside their spaces.
        horizons: (n,).
        switches: (n,).
        stepped: The m episodes whose steps count, cut.
        seen: (N, O), their standardised observations.
        acted: (N, A), their actions in [-1, 1].
        owner: (N,), 0 to m - 1.
    """

    source: Source
    by: Yardstick
    p: "QdcParams"
    points: Doubles
    returns: Doubles
    lengths: Doubles
    valid: Doubles
    horizons: Doubles
    switches: Doubles
    stepped: list[Episode]
    seen: Doubles
    acted: Doubles
    owner: Wholes

    @classmethod
    def read(cls, source: Source, by: Yardstick, p: "QdcParams") -> "Share":
        """Read it, one episode at a time.

        Raises:
            RefusedError: If a number is not finite, or too few steps are compared.
        """
        rows: list[tuple[Any, ...]] = []
        stepped, seen, acted = [], [], []
        shuffled = enumerate(walk(source, by.n_episodes, by.n_steps, p.seed))
        for at, (_, episode, part) in shuffled:
            observations, actions = source.flat(episode)
            observations = by.reference(observations)
            if part is not None:
                stepped.append(part)
                seen.append(observations[: len(part)])
                acted.append(actions[: len(part)])
            if at < by.n_episodes:
                figures = _figures(source, episode, actions)
                rows.append((features(observations, actions), *figures))
        if len(stepped) < FEWEST:
            raise RefusedError(
                source.file,
                "steps that are compared",
                f"{by.n_steps}, which {len(stepped)} episodes hold",
                f"steps of at least {FEWEST} episodes",
                f"a dataset of {', '.join(by.peers)} is too small for the others",
            )
        embedded, *columns = (np.array(c, np.float64) for c in zip(*rows, strict=True))
        returns, lengths, valid, horizons, switches = columns
        return cls(
            source=source,
            by=by,
            p=p,
            points=embedded,
            returns=returns,
            lengths=lengths,
            valid=valid,
            horizons=horizons,
            switches=switches,
            stepped=stepped,
            seen=np.concatenate(seen),
            acted=np.concatenate(acted),
            owner=np.repeat(np.arange(len(stepped)), [len(e) for e in stepped]),
        )

    def boot(self, n: int) -> Bootstrap:
        """Resamples of n things."""
        return Bootstrap(n, self.p.resamples, self.p.confidence, self.p.seed)

    @property
    def discrete(self) -> bool:
        """Actions are whole numbers."""
        return isinstance(self.source.actions, Discrete)

    def quality(self, world: Any) -> dict[str, Measure]:
        """What it earned and whether it can have happened.

        Args:
            world: Where it was recorded, or None.
        """
        boot, p = self.boot(len(self.returns)), self.p
        score = quality.scores(self.returns, self.source.references)
        played: Any = "no world was given"
        if world is not None:
            draw = np.random.default_rng([p.seed, 1])
            asked = (self.stepped, self.by.reference, p.replayed, draw)
            played = quality.replay(world, *asked)
        next_, reward = quality.dynamics(played, p.tolerance, self.boot)
        count = int(self.lengths.sum())
        share = boot.ratio(self.valid, self.lengths, "attribute", ends=(0, 1), n=count)
        return {
            **quality.earned(score, p.success, boot),
            "valid": share,
            "dynamics": next_,
            "rewards": reward,
        }

    def diversity(self) -> dict[str, Measure]:
        """How little its episodes, states and actions are like each other."""
        boot, p = self.boot(len(self.points)), self.p
        few = self.points[: p.vendi_points]
        kernel = diversity.rbf(self.by.episodes(few), self.by.bandwidth)
        many = self.boot(len(self.stepped))
        n = len(self.seen)
        grid = self._cells(self.by.states(self.seen), p.state_side)
        visited = diversity.counts_of(grid, self.owner, many.n, p.state_side**2)
        side = p.map_side
        near = self.boot(len(few))
        return {
            "vendi": diversity.vendi_measure(kernel, near),
            "cosine": diversity.cosine(self.points, boot),
            "neighbour": diversity.neighbour(few, near),
            "spread": diversity.spread(few, near),
            **map_figures(
                self._cells(self.by.map(self.points), side),
                side**2,
                quality.scores(self.returns, self.source.references),
                boot,
            ),
            "state_coverage": diversity.coverage(visited, many, n=n),
            "action_entropy": self._action_entropy(many),
            "novelty": diversity.novelty(self._texts(), many, n=n),
        }

    def complexity(self) -> dict[str, Measure]:
        """How hard its behaviour is to describe or to learn."""
        boot, many = self.boot(len(self.returns)), self.boot(len(self.stepped))
        p = self.p
        bits = 8.0 * np.array([diversity.deflated(text) for text in self._texts()])
        steps = np.bincount(self.owner).astype(np.float64)
        starts = np.cumsum(steps).astype(np.int64) - steps.astype(np.int64)
        outer = np.stack([part.T @ part for part in np.split(self.seen, starts[1:])])
        given, withheld = probe(
            self.seen,
            self.acted,
            self.owner,
            discrete=self.discrete,
            hidden=p.probe_hidden,
            steps=p.probe_steps,
            batch=p.probe_batch,
            rate=p.probe_rate,
            seed=p.seed,
        )
        sums = np.add.reduceat(self.seen, starts)
        return {
            "bits": many.ratio(bits, steps, "length", n=len(self.seen)),
            "length": boot.mean(self.lengths, "length"),
            "horizon": boot.mean(self.horizons, "length"),
            "switching": boot.mean(self.switches, "structure"),
            "ifd": many.mean(complexity.ratios(given, withheld), "model"),
            "dimension": complexity.dimension(sums, outer, steps, many),
        }

    @staticmethod
    def _cells(plane: Doubles, side: int) -> Wholes:
        reach = np.full(plane.shape[1], REACH)
        return diversity.cells(plane, -reach, reach, side)

    def _action_entropy(self, boot: Bootstrap) -> Measure:
        """Of 21 bins a dimension; of discrete actions, of how often each is chosen."""
        if self.discrete:
            table = np.stack(
                [np.bincount(self.owner, column > 0) for column in self.acted.T],
                axis=1,
                dtype=np.float64,
            )
            return diversity.entropy(table, boot, n=len(self.acted))
        bins, n = self.p.bins, len(self.stepped)
        end = np.ones(1)
        tables = [
            diversity.counts_of(
                diversity.cells(column[:, None], -end, end, bins), self.owner, n, bins
            )
            for column in self.acted.T
        ]
        wide = np.concatenate(tables, axis=1)
        return diversity.entropy(wide, boot, len(tables), n=len(self.acted))

    def _texts(self) -> list[bytes]:
        """Each counted episode in 8 bits, one sensor or motor after the other.

        Observations reach from -4 to 4 deviations of the reference, actions from bound
        to bound: the same for every dataset, or sizes could not be compared.
        """
        rows = np.concatenate([self.seen / CODE, self.acted], axis=1)
        codes = np.clip(np.round((rows + 1) * 127.5), 0, 255).astype(np.uint8)
        ends = np.cumsum(np.bincount(self.owner))[:-1]
        return [part.T.tobytes() for part in np.split(codes, ends)]


def map_figures(
    cell: Wholes, total: int, score: Doubles | None, boot: Bootstrap
) -> dict[str, Measure]:
    """Coverage of a map of behaviours, evenness, and how good what fills it is.

    Args:
        cell: (n,), each episode's cell, of a grid or of any other tessellation.
        total: Cells there are.
        score: (n,), normalised; None where there is none.
        boot: Of the n.
    """
    n = len(cell)
    table = diversity.counts_of(cell, np.arange(n), n, total)
    evenness = {
        "coverage": diversity.coverage(table, boot),
        "cell_entropy": diversity.entropy(table, boot, share=True),
    }
    if score is None:
        why = quality.NO_REFERENCE
        return {**evenness, "qd_score": unavailable("attribute", why)}
    worth = np.maximum(score, 0) / 100

    def of(count: Doubles) -> float:
        best = np.zeros(total)
        there = count > 0
        np.maximum.at(best, cell[there], worth[there])
        return float(best.sum() / total)

    draws = np.array([of(count) for count in boot.counts])
    value = of(np.ones(n))
    measured = boot.around(value, draws, "attribute", ends=(0, np.inf))
    return {**evenness, "qd_score": measured}


def _figures(source: Source, episode: Episode, actions: Doubles) -> tuple[float, ...]:
    """Return, length, valid transitions, horizon and switching of one episode."""
    rewards = steps(episode, source.actions).reward
    switches = (
        complexity.choices(actions.argmax(1))
        if isinstance(source.actions, Discrete)
        else complexity.switching(actions)
    )
    return (
        float(np.sum(rewards, dtype=np.float64)),
        len(episode),
        quality.inside(source, episode),
        complexity.horizon(rewards),
        switches,
    )
