"""QuEST trains a language model at 1 and 2 bits better than what it is made without.

Panferov et al. 2025 (arXiv 2502.05003). In the test bed of ``_quest`` every arm
sees the same text, from the same start. What is wanted holds for every seed: at each of
``bits`` a lower loss than without Hadamard matrices, without trust mask, and than the
absolute maximum with a straight-through gradient; no arm of QuEST's diverges; its gap
to float shrinks as bits grow, ``alone`` included; and at the float network's weights
its gradient is nearer to the float one (cosine) than the straight-through one is.

The study's policies stand beside it as figures.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any

from tasks.artifacts.params import Range
from tasks.beds.quest.arms import run
from tasks.beds.quest.language import SYMBOLS, Arm, Settings
from tasks.claims import Check, Claim, ClaimParams, Figure, Outcome
from tasks.claims.engine.results import Results, exact, worst

WITHOUT = {
    "no_hadamard": "no Hadamard",
    "no_trust": "no trust mask",
    "ste": "straight-through",
}
NATS = "nats a character"


@dataclass(frozen=True)
class QuestClaimParams(ClaimParams):
    """See params/claims/quest.yaml for units and ranges."""

    bits: Annotated[tuple[float, ...], Range(1, 8)]
    alone: Annotated[tuple[float, ...], Range(1, 8)]
    seeds: Annotated[tuple[int, ...], Range(0)]
    steps: Annotated[int, Range(1)]
    batch: Annotated[int, Range(1)]
    rate: Annotated[float, Range(0, 1, open=True)]
    width: Annotated[int, Range(16)]
    heads: Annotated[int, Range(1)]
    layers: Annotated[int, Range(1)]
    context: Annotated[int, Range(2)]
    block: Annotated[int, Range(16)]
    windows: Annotated[int, Range(1)]
    processes: Annotated[int, Range(1, 64)]

    def settings(self) -> Settings:
        """What all arms share."""
        names = Settings.__dataclass_fields__
        return Settings(**{name: getattr(self, name) for name in names})


class QuestClaim(Claim):
    """See the module."""

    Parameters = QuestClaimParams
    params: QuestClaimParams

    def outcome(self, results: Results) -> Outcome:
        """Train the arms; see :meth:`Claim.outcome`."""
        p = self.params
        arms = [Arm("float", 32)]
        arms += [Arm(n, b) for b in p.bits for n in ("quest", *WITHOUT, "lsq")]
        arms += [Arm("quest", b) for b in p.alone]
        compared = [Arm(n, b) for b in p.bits for n in ("quest", "ste")]
        found = run(arms, compared, p.settings(), p.processes)
        figures = [
            exact(f"loss of {arm}, seed {seed}", loss, NATS)
            for arm in arms
            for seed, loss in zip(p.seeds, found[str(arm)]["loss"], strict=True)
        ]
        return Outcome(
            self.checks(found),
            [*figures, *self._alignments(found), *self._files(found), *played(results)],
        )

    def checks(self, found: dict[str, Any]) -> list[Check]:
        """What must be seen.

        Args:
            found: Of :func:`run`.
        """
        p, made = self.params, []
        for bits in p.bits:
            ours = found[str(Arm("quest", bits))]["loss"]
            for name, words in WITHOUT.items():
                theirs = found[str(Arm(name, bits))]["loss"]
                said = f"W{bits:g}A{bits:g}: loss of {words} above quest's"
                made.append(_each(said, theirs, ours, NATS))
        every = sorted({*p.bits, *p.alone})
        quest = {bits: found[str(Arm("quest", bits))]["loss"] for bits in every}
        chance = [math.log(len(SYMBOLS))] * len(p.seeds)
        largest = [max(loss) for loss in zip(*quest.values(), strict=True)]
        made.append(
            _each("loss of chance above quest's largest", chance, largest, NATS)
        )
        for few, more in pairwise(every):
            said = f"gap to float of {few:g} bits above that of {more:g}"
            made.append(_each(said, quest[few], quest[more], NATS))
        alike = found["float"]["alignment"]
        for bits in p.bits:
            ours, theirs = (alike[str(Arm(n, bits))] for n in ("quest", "ste"))
            said = (
                f"W{bits:g}A{bits:g}: alignment of gradients above straight-through's"
            )
            made.append(_each(said, ours, theirs, "cosine"))
        return made

    def _alignments(self, found: dict[str, Any]) -> list[Figure]:
        return [
            exact(f"alignment of {arm}, seed {seed}", value, "cosine")
            for arm, values in found["float"]["alignment"].items()
            for seed, value in zip(self.params.seeds, values, strict=True)
        ]

    def _files(self, found: dict[str, Any]) -> list[Figure]:
        made = []
        for arm, told in found.items():
            if "bytes" in told:
                apart = abs(told["onnx"] - told["torch"])
                made.append(exact(f"file of {arm}", told["bytes"] / 1000, "kB"))
                made.append(exact(f"file of {arm}, loss beside torch's", apart, NATS))
        return made


def _each(name: str, larger: list[float], smaller: list[float], unit: str) -> Check:
    """That one is larger for every seed."""
    pairs = enumerate(zip(larger, smaller, strict=True))
    return Check(worst({i: a - b for i, (a, b) in pairs}, f"{name}, worst seed", unit))


def played(results: Results) -> list[Figure]:
    """Scores and bytes of the study's policies."""
    study, made = results.params["study"], []
    for dataset in study["datasets"]:
        for policy in study["policies"]:
            for variant in study["variants"]:
                name = f"{policy} {variant} on {dataset}"
                score = results.score(dataset, policy, variant)
                made.append(results.middle(name, score))
                folder = results.root / "onnx" / dataset / policy / variant
                file = folder / f"seed-{results.seeds[0]}.onnx"
                made.append(exact(f"file of {name}", file.stat().st_size / 1000, "kB"))
    return made
