"""The bed of the claim ``adadfq``: whose pictures teach a network of few bits more.

AdaDFQ (Qian et al. 2023) and GDFQ (Xu et al. 2020) and their equations stand in
``tasks/compress/adadfq/``. Each job starts from the study's own float policy of a seed,
quantises it, writes an ONNX file, and lets that file play the episodes on which the
study evaluates.

| pictures | what Q looks at |
|---|---|
| ``adadfq``, ``gdfq`` | made by G, which descends the one's or the other's loss |
| ``gdfq_again`` | as ``gdfq``, all chance drawn anew: the noise of training |
| ``real`` | the dataset's pictures and labels, the ceiling |
| ``minmax`` | noise, for the ranges of activations; nothing is learned |
| ``minmax_data`` | the dataset's pictures, likewise |

``loss`` is whose loss Q descends, ``none`` where it does not learn. A job's result:
``right`` answers of each episode, ``bytes`` of the file, and the ``course`` of the
game, an epoch a row. At ``bits`` everything is done, at ``widths`` only min-max
rounding: the claim says by it alone whether ``bits`` are few enough.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.artifacts.files import sha256
from tasks.artifacts.kept import Kept
from tasks.artifacts.params import Distinct, Range
from tasks.artifacts.policy import load_policy, statistics_sha256, weights_sha256
from tasks.artifacts.rows import load_transitions
from tasks.beds import Bed, BedParams, Job, Report, check_inner
from tasks.beds.adadfq.crossed import WITH_DATA, Crossed, Pictures, RealData
from tasks.compress.adadfq import AdaDFQ
from tasks.compress.adadfq.game import AdaDFQParams, Game
from tasks.nets.policy import take
from tasks.nets.resnet import ResNet
from tasks.nets.resnet_base import as_pictures
from tasks.worlds.engine.recorded import recorded_world

AGAIN, ANEW = "gdfq_again", 1_000_000  # what its chance's seeds lie above the others
LEARNED = (  # whose pictures, whose loss: first what the claim subtracts
    ("adadfq", "adadfq"),
    ("gdfq", "adadfq"),
    (AGAIN, "adadfq"),
    ("real", "adadfq"),
    ("adadfq", "gdfq"),
    ("gdfq", "gdfq"),
)


@dataclass(frozen=True)
class AdaDFQBedParams(BedParams):
    """How few bits, on which policies, with which game.

    Units and ranges stand in params/beds/adadfq.yaml.

    Attributes:
        bits: Of weights and activations.
        widths: More bits, for min-max rounding alone.
        seeds: Of the study's float policies.
        game: Parameters of the method; its ``arm`` and ``bits`` are the jobs'.
        start_seed: Of the episodes, as the study evaluates.
        episodes: Likewise.
    """

    bits: Annotated[int, Range(2, 8)]
    widths: Annotated[tuple[int, ...], Range(2, 8), Distinct()]
    seeds: Annotated[tuple[int, ...], Range(0, 2**31 - 1), Distinct(1)]
    game: dict[str, Any]
    start_seed: Annotated[int, Range(0, 2**31 - 1)]
    episodes: Annotated[int, Range(1, 10**6)]

    def __post_init__(self) -> None:
        """Also check the game's parameters."""
        super().__post_init__()
        check_inner({"game": self.game}, {"game": AdaDFQ})

    def arm(self) -> AdaDFQParams:
        """Those of the game."""
        return AdaDFQParams.parse(self.game, "game")


class AdaDFQBed(Bed[AdaDFQBedParams]):
    """Quantises and plays the policies of every seed.

    Attributes:
        policy: The float policies of all seeds.
        origin: What policy.json says of them.
        data: The dataset's pictures.
        world: Where files are played.
    """

    policy: ResNet
    origin: dict[str, Any]
    data: Pictures
    world: Any

    def inputs(self) -> Mapping[str, str]:
        """The dataset, by its card, its world, and the float policies."""
        dataset = Path(self.params.needs_dataset)
        return {
            "card": sha256(dataset / "card.json"),
            "world": sha256(dataset / "world.json"),
            "policies": sha256(Path(self.params.needs_policies)),
        }

    def jobs(self) -> Sequence[Job]:
        """Every arm at the few bits, min-max at more, each of every seed."""
        p = self.params
        arms = [(*arm, p.bits) for arm in LEARNED]
        arms += [(name, "none", p.bits) for name in ("minmax", "minmax_data")]
        arms += [("minmax", "none", bits) for bits in p.widths]
        return [
            Job(
                f"pictures of {pictures}, loss of {loss}, {bits} bits, seed {seed}",
                {"pictures": pictures, "loss": loss, "bits": bits, "seed": seed},
                ("bits", "widths", "seeds"),
            )
            for pictures, loss, bits in arms
            for seed in p.seeds
        ]

    def prepare(self, jobs: Sequence[Job], kept: Kept) -> None:
        """Read policies, pictures and world."""
        del jobs, kept
        policy, self.origin = load_policy(Path(self.params.needs_policies))
        if not isinstance(policy, ResNet):
            raise TypeError(f"{type(policy).__name__}: the bed's policies are ResNets")
        self.policy = policy
        folder = Path(self.params.needs_dataset)
        self.world = recorded_world(folder)
        data = load_transitions(folder)
        flat = policy.normalise(torch.from_numpy(data.observation))
        self.data = Pictures(
            as_pictures(flat, policy.image), torch.from_numpy(data.action).argmax(1)
        )

    def run(self, job: Job, report: Report) -> Any:
        """Train an arm, write its file, play it."""
        # here, as onnxruntime starts threads, which a fork would lose
        from tasks.artifacts.onnx_policy import (
            OnnxPolicy,
            build_model,
            contract_of,
            write_onnx,
        )

        game, course = self.game(job), []

        def tell(epoch: int, figures: dict[str, float]) -> None:
            course.append({"epoch": epoch, **figures})
            report((epoch + 1) / (game.params.epochs + 1))

        quantised = game.run(tell)
        pictures, bits, seed = (job.settings[n] for n in ("pictures", "bits", "seed"))
        origin = {
            **self.origin,
            "seeds": [seed],
            "variant": f"{pictures}-{bits}",
            "weights_sha256": weights_sha256(quantised),
            "statistics_sha256": statistics_sha256(quantised),
        }
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"seed-{seed}.onnx"
            contract = contract_of(quantised, 0, origin, "exact")
            write_onnx(path, build_model(quantised, 0), contract)
            right = self.played(OnnxPolicy.open(path), seed)
            size = path.stat().st_size
        return {"right": right.tolist(), "bytes": size, "course": course}

    def game(self, job: Job) -> Game:
        """Who plays, in a job."""
        pictures, loss, seed = (job.settings[n] for n in ("pictures", "loss", "seed"))
        arm = {"minmax_data": "minmax", "real": "gdfq", AGAIN: "gdfq"}.get(
            pictures, pictures
        )
        params = replace(self.params.arm(), arm=arm, bits=job.settings["bits"])
        alone = take(self.policy, self.origin["seeds"].index(seed))
        if pictures in WITH_DATA:
            return RealData(alone, params, seed, loss, self.data)
        chance = seed + ANEW if pictures == AGAIN else seed
        return Crossed(alone, params, chance, loss)

    def played(self, policy: Any, seed: int) -> NDArray[np.float64]:
        """Right answers of each episode, (E,)."""
        from tasks.evaluate.returns import play

        starts = self.params.start_seed + np.arange(self.params.episodes)
        batch = self.world.make(len(starts))
        returns = play(batch, policy, seed, starts, lambda *_: None).returns
        batch.close()
        return returns
