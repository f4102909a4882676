"""DCG-MAP-Elites against PGA-MAP-Elites, and its one policy against its archive.

Its study has a dataset ``swimmer_<arm>_<seed>`` of each arm and seed of the search, all
of as many evaluations: ``dcg``, ``pga`` (the same code with critics and actor that see
no descriptor, and S = 1), ``map_elites`` (no gradients), and of the first seed
``passive`` (DCG without active rollouts), an ablation that no check asks for.

The primary: QD score of ``dcg`` minus that of ``pga``, in % of ``pga``'s, seed by seed
of the search. Beside it stand coverage, gradient children that entered, and what the
policy keeps of the archive and how far it misses, in units of how far the elites
themselves miss when they are played again. The positive control is PGA, whose gradients
have to help over plain MAP-Elites; the noise, its elites' returns when played again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, NotRequired, TypedDict

import numpy as np

from tasks.artifacts.formats import Count, Number, Share, Size, Some
from tasks.artifacts.params import Distinct, Range
from tasks.artifacts.typed_json import read_typed
from tasks.claims import Claim, ClaimParams, Figure, Outcome
from tasks.claims.cores.figures import exact, of_replicates
from tasks.claims.cores.gates import competence, headroom, noise, within
from tasks.claims.engine.results import Results


class Missed(TypedDict):
    """How far descriptors are from where they should be."""

    descriptor_error: Size


class Again(Missed):
    """How elites do when they are played again, from other starts."""

    return_error: Size


class Side(Missed):
    """What the distilled policy keeps of the archive."""

    qd_score: Number
    share: Number


class Card(TypedDict):
    """An archive, in a dataset's card.json."""

    qd_score: Number
    coverage: Share
    best: Number
    evaluations: Count
    cell_width: Some
    added: dict[str, Count]
    reproducibility: Again
    filled: Count
    distilled: NotRequired[dict[str, Side]]


class Filled(TypedDict):
    """``card.json`` of a dataset that an archive was made for."""

    archive: Card


ABLATION = "passive"
FLOOR, CEILING = 5.0, 95.0  # % of the cells
SEARCHES = "searches"
WHY = "of this one search"


@dataclass(frozen=True)
class DcgMapElitesParams(ClaimParams):
    """Whose archives are compared.

    Units and ranges stand in params/claims/dcg_map_elites.yaml.
    """

    seeds: Annotated[tuple[int, ...], Range(0, 2**31 - 1), Distinct(1)]


def archive(results: Results, arm: str, seed: int) -> Card:
    """What the card of an arm's dataset says of its archive."""
    folder = results.root / "datasets" / f"swimmer_{arm}_{seed}-v0"
    return read_typed(folder / "card.json", "dvc repro", Filled)["archive"]


class DcgMapElites(Claim[DcgMapElitesParams]):
    """Archives of the arms, and the policy distilled from DCG's, seed by seed."""

    def outcome(self, results: Results) -> Outcome:
        """Judge the cards of the arms' datasets."""
        p = self.params
        arms = {
            arm: {seed: archive(results, arm, seed) for seed in p.seeds}
            for arm in ("dcg", "pga", "map_elites")
        }
        first = p.seeds[0]
        arms[ABLATION] = {first: archive(results, ABLATION, first)}
        dcg, pga = arms["dcg"], arms["pga"]

        def gap(of: Callable[[Card], float], name: str, unit: str) -> Figure:
            values = [of(dcg[seed]) - of(pga[seed]) for seed in p.seeds]
            return of_replicates(f"{name}, dcg - pga", np.array(values), unit, SEARCHES)

        def over(better: str, worse: str) -> Figure:
            sides = [
                np.array([card["qd_score"] for card in arms[arm].values()])
                for arm in (better, worse)
            ]
            name = f"QD score, {better} - {worse}"
            gain = 100 * (sides[0] / sides[1] - 1)
            return of_replicates(name, gain, f"% of {worse}'s", SEARCHES)

        policy = {seed: card["distilled"]["onnxruntime"] for seed, card in dcg.items()}
        kept = np.array([figures["share"] for figures in policy.values()])
        missed = [
            policy[seed]["descriptor_error"]
            / dcg[seed]["reproducibility"]["descriptor_error"]
            for seed in p.seeds
        ]
        figures = [
            gap(lambda card: 100 * card["coverage"], "coverage", "% of cells"),
            gap(lambda card: card["added"]["gradient"], "gradient children", "elites"),
            of_replicates("QD score of the policy", kept, "of the archive's", SEARCHES),
            of_replicates(
                "descriptor error of the policy",
                np.array(missed),
                "of the elites' own",
                SEARCHES,
            ),
        ]
        again = [
            100
            * card["reproducibility"]["return_error"]
            * card["filled"]
            / card["qd_score"]
            for card in pga.values()
        ]
        covered = np.array([100 * card["coverage"] for card in pga.values()])
        helps = over("pga", "map_elites")
        gates = [
            competence(helps),
            headroom(helps),
            within(
                of_replicates("coverage of pga", covered, "% of cells", SEARCHES),
                FLOOR,
                CEILING,
            ),
            noise(
                of_replicates(
                    "error of pga's returns when played again",
                    np.array(again),
                    "% of pga's",
                    SEARCHES,
                ),
                p.smallest,
            ),
        ]
        primary = self.check(over("dcg", "pga"))
        return Outcome(primary, gates, [*figures, *table(arms)])


def table(arms: Mapping[str, Mapping[int, Card]]) -> list[Figure]:
    """What else a reader wants to see of every arm and seed."""
    figures = []
    for arm, cards in arms.items():
        for seed, card in cards.items():
            who = f"{arm} {seed}"
            again = card["reproducibility"]["descriptor_error"] / card["cell_width"]
            figures += [
                exact(f"{who}: QD score", card["qd_score"], "return", WHY),
                exact(f"{who}: coverage", 100 * card["coverage"], "% of cells", WHY),
                exact(f"{who}: best", card["best"], "return", WHY),
                exact(f"{who}: evaluations", card["evaluations"], "episodes", WHY),
                exact(f"{who}: archive's descriptor error", again, "cell widths", WHY),
            ]
            figures += [
                exact(f"{who}: {name} children kept", count, "elites", WHY)
                for name, count in card["added"].items()
            ]
            for side, policy in card.get("distilled", {}).items():
                miss = policy["descriptor_error"] / card["cell_width"]
                figures += [
                    exact(
                        f"{who}: policy in {side}", policy["qd_score"], "return", WHY
                    ),
                    exact(f"{who}: its descriptor error", miss, "cell widths", WHY),
                ]
    return figures
