"""Quality, diversity and complexity of a dataset: ``python -m tasks.measure``.

After "Surveying the Effects of Quality, Diversity, and Complexity in Synthetic Data
From Large Language Models" (Havrilla et al. 2024, arXiv 2412.02980), which compares
makers of data by the make-up of what they make. It is a survey without an algorithm or
code; which figures stand for its families, and how they are normalised, is this
project's choice. ``--dataset D`` writes ``data/qdc/<D>/metrics.json``, a block a
letter, and, only if the figures pass the thresholds of params, the file that training
may wait for, ``data/gates/<study>/<D>.json``. ``--corpus FILE ...`` measures
records of text side by side and writes ``FILE.qdc.json``; ``--reference`` prints the line of
params that a world's observations are standardised by.

| letter | figures: what each is |
|---|---|
| quality | score, top (best tenth), success: normalised returns; valid: inside spaces; dynamics, rewards: the world gives the transition again |
| diversity | vendi, cosine, neighbour, spread: of embedded episodes; coverage, cell_entropy, state_coverage, action_entropy: of cells and bins; novelty: compressed together over alone; qd_score: quality and coverage in one |
| complexity | bits: compressed, a step; length, horizon: steps; switching; ifd: loss of a clone given the observation over without; dimension: of the states |

Datasets of one world that a study measures are compared: axes, grids and bandwidth are
of their union, and of each the same number of episodes and of steps is looked at. All
have intervals from the same resamples of episodes (``tasks/measure/qdc_metrics/figures.py``). Departures:

* There is no reward model, so quality of experience has no figure of the model family;
  text has one.
* Cells are a grid over two principal axes of the union, as no world declares a
  behaviour descriptor yet; :func:`map_figures` takes any points and ranges.
* Reference statistics are those of params where they know the world, else the union's.
* Held-out goals for scores outside the distribution need an archive of behaviours; the
  composition table takes such scores where there are any.
"""  # noqa: E501

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.fields import fits, shown
from tasks.artifacts.params import PARAMS, Params, Range, check_known
from tasks.artifacts.recorded import FILE
from tasks.measure import Measure
from tasks.measure.qdc_metrics import figures
from tasks.measure.qdc_metrics.embedding import Yardstick, yardstick
from tasks.measure.qdc_metrics.gate import LARGEST, check_gate, check_thresholds
from tasks.measure.qdc_metrics.sample import Source, points, reference, sampled
from tasks.measure.qdc_metrics.share import Share
from tasks.worlds.engine.recorded import build_world

SCHEMA = 1


@dataclass(frozen=True)
class QdcParams(Params):
    """How much is looked at and how, the gate, and reference statistics.

    Units and ranges stand in params/measure/qdc_metrics.yaml.
    """

    seed: Annotated[int, Range(0, 2**31 - 1)]
    episodes: Annotated[int, Range(10, 10**6)]
    steps: Annotated[int, Range(100, 10**8)]
    vendi_points: Annotated[int, Range(10, 5000)]
    axes: Annotated[int, Range(2, 1000)]
    resamples: Annotated[int, Range(100, 10**6)]
    confidence: Annotated[float, Range(0, 1, open=True)]
    bins: Annotated[int, Range(2, 1000)]
    map_side: Annotated[int, Range(2, 100)]
    state_side: Annotated[int, Range(2, 100)]
    replayed: Annotated[int, Range(1, 10**6)]
    tolerance: Annotated[float, Range(0, 1e9)]
    success: Annotated[float, Range(-1e9, 1e9)]
    probe_hidden: Annotated[tuple[int, ...], Range(1, 65_536)]
    probe_steps: Annotated[int, Range(1, 10**9)]
    probe_batch: Annotated[int, Range(1, 2**20)]
    probe_rate: Annotated[float, Range(0, 1, open=True)]
    tokens: Annotated[int, Range(10, 10**6)]
    bleu_records: Annotated[int, Range(2, 10**6)]
    gate: dict[str, Any]
    reference: dict[str, Any]

    def __post_init__(self) -> None:
        """Also check the gate's names and the reference's shape."""
        super().__post_init__()
        check_thresholds(self.gate)
        for world, lists in self.reference.items():
            if not _is_reference(lists):
                raise RefusedError(
                    PARAMS,
                    f"reference.{world}",
                    shown(lists),
                    "a list of means and one of deviations, as many of each",
                    "measure it again, with --reference",
                )


def _is_reference(lists: Any) -> bool:
    """Whether something is two lists of as many finite numbers, the second from 0."""
    if not isinstance(lists, list | tuple) or len(lists) != 2:
        return False
    if not all(isinstance(numbers, list | tuple) for numbers in lists):
        return False
    numbers = [*lists[0], *lists[1]]
    right = all(fits(n, float) and abs(n) <= LARGEST for n in numbers)
    return right and len(lists[0]) == len(lists[1]) and min(lists[1], default=0) >= 0


class QdcMetrics(Measure[QdcParams]):
    """Figures of quality, diversity and complexity, with intervals, and their gate."""

    def metrics(self, dataset: str, names: Sequence[str], root: Path) -> dict[str, Any]:
        """Measure a dataset beside those of its world that are measured too."""
        check_known(dataset, names, "study.measured")
        sources = {name: Source.open(root / f"{name}-v0") for name in names}
        source = sources[dataset]
        world = source.world.get("name")
        peers = [peer for peer in sources.values() if peer.world.get("name") == world]
        by = self.yardstick(peers)
        measured = self.measure(source, by, world_of(source))
        gate = check_gate(measured, self.params.gate, source.file.parent.parent)
        return {
            "schema": SCHEMA,
            "dataset": dataset,
            "dataset_sha256": source.sha256,
            "world": world,
            "seed": self.params.seed,
            "confidence": self.params.confidence,
            "resamples": self.params.resamples,
            "peers": [peer.name for peer in peers],
            "peers_sha256": [peer.sha256 for peer in peers],
            "episodes": by.n_episodes,
            "steps": by.n_steps,
            "reference": by.reference.source,
            "bandwidth": by.bandwidth,
            "gate": gate,
            **figures.blocks(measured),
        }

    def summary(self, metrics: Mapping[str, Any]) -> str:
        """One figure a letter."""
        words = []
        for letter, name in (
            ("quality", "score"),
            ("diversity", "vendi"),
            ("complexity", "ifd"),
        ):
            figure = metrics[letter][name]
            text = "unavailable"
            if figure["value"] is not None:
                interval = f"[{figure['low']:.3g}, {figure['high']:.3g}]"
                text = f"{figure['value']:.3g} {interval}"
            words.append(f"{name} {text}")
        return ", ".join(words)

    def yardstick(self, peers: Sequence[Source]) -> Yardstick:
        """What datasets that are compared are measured by.

        Args:
            peers: In the same order whoever asks.

        Raises:
            RefusedError: If their spaces differ, or one is too small for the others.
        """
        p, names = self.params, [peer.name for peer in peers]
        if len({peer.spaces for peer in peers}) > 1:
            raise RefusedError(
                ", ".join(names),
                "spaces",
                "; ".join(str(peer.spaces) for peer in peers),
                "the same observations and actions in all",
                "compare datasets of one world",
            )
        each = max(2, p.vendi_points // len(peers))
        shares = [sampled(peer, each, p.seed) for peer in peers]
        world = str(peers[0].world.get("name"))
        states = [seen for _, seen in shares]
        by = reference(p.reference.get(world), states, world)
        embedded = [
            (points(peer, episodes, by), by(seen))
            for peer, (episodes, seen) in zip(peers, shares, strict=True)
        ]
        return yardstick(
            embedded,
            by,
            axes=p.axes,
            peers=names,
            n_episodes=min([p.episodes, *(peer.episodes for peer in peers)]),
            n_steps=min([p.steps, *(peer.steps for peer in peers)]),
        )

    def measure(
        self, source: Source, by: Yardstick, world: Any
    ) -> dict[str, dict[str, figures.Measure]]:
        """All figures of a dataset, by letter and name.

        Args:
            source: The dataset.
            by: The yardstick of those it is compared with.
            world: Where it was recorded, or None; nothing is re-simulated then.

        Raises:
            RefusedError: If the dataset holds numbers that are not finite.
        """
        part = Share.read(source, by, self.params)
        return {
            "quality": part.quality(world),
            "diversity": part.diversity(),
            "complexity": part.complexity(),
        }


def world_of(source: Source) -> Any:
    """The world a dataset was recorded in; reference scores may be missing."""
    missing = {"ref_min": 0.0, "ref_max": 1.0}  # not used: nothing is scored by them
    block = source.world | (missing if source.references is None else {})
    return build_world(block, source.file.parents[1] / FILE)


def reference_line(source: Source, params: QdcParams) -> str:
    """The line of params/measure/qdc_metrics.yaml that holds a world's statistics.

    Of up to ``episodes`` of a dataset's episodes, 50 states of each, 4 digits.
    """
    _, states = sampled(source, params.episodes, params.seed)
    by = reference(None, [states], source.name)
    mean, std = ([float(f"{v:.4g}") for v in values] for values in (by.mean, by.std))
    return f"  {source.world['name']}: [{mean}, {std}]  # of {source.name}"
