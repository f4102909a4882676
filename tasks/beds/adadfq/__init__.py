"""The bed of the claim ``adadfq``: arms of the game the study's graph does not carry.

AdaDFQ (Qian et al. 2023) and its equations stand in ``tasks/compress/adadfq/``. Each
job starts from the study's own float policy of a seed, trains one arm at one width,
writes an ONNX file, and lets that file play the episodes on which the study evaluates.

| arm | looks at | learns |
|---|---|---|
| ``minmax`` | noise, for the ranges of activations | nothing |
| ``minmax_data`` | the dataset's pictures, likewise | nothing |
| ``gdfq``, ``adadfq``, ``no_margin`` | nothing | see ``tasks/compress/adadfq/`` |
| ``real`` | the dataset's pictures and labels | with GDFQ's loss, the ceiling |

The result of a job: ``right`` answers of each episode, ``bytes`` of the file, and the
``course`` of the game, an epoch a row. AdaDFQ at the fewest bits is the study's own.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256
from tasks.artifacts.kept import Kept
from tasks.artifacts.params import PARAMS, Distinct, Range
from tasks.artifacts.policy import load_policy, statistics_sha256, weights_sha256
from tasks.artifacts.rows import load_transitions
from tasks.beds import Bed, BedParams, Job, Report, check_inner
from tasks.beds.adadfq.real_data import WITH_DATA, Pictures, RealData
from tasks.compress.adadfq import AdaDFQ
from tasks.compress.adadfq.game import AdaDFQParams, Game
from tasks.nets.policy import take
from tasks.nets.resnet import ResNet
from tasks.nets.resnet_base import as_pictures
from tasks.worlds.engine.recorded import recorded_world

EVERYWHERE = ("minmax", "minmax_data", "gdfq", "real")  # arms at both widths


@dataclass(frozen=True)
class AdaDFQBedParams(BedParams):
    """Which arms, on which policies, with which game.

    Units and ranges stand in params/beds/adadfq.yaml.

    Attributes:
        bits: Of weights and activations: the few, and the more.
        seeds: Of the study's float policies.
        game: The study's block ``compress.adadfq``.
        start_seed: Of the episodes, as the study evaluates.
        episodes: Likewise.
    """

    bits: Annotated[tuple[int, int], Range(2, 8), Distinct(1)]
    seeds: Annotated[tuple[int, ...], Range(0, 2**31 - 1), Distinct(1)]
    game: dict[str, Any]
    start_seed: Annotated[int, Range(0, 2**31 - 1)]
    episodes: Annotated[int, Range(1, 10**6)]

    def __post_init__(self) -> None:
        """Refuse a study whose own arm is not AdaDFQ at the fewest bits."""
        super().__post_init__()
        check_inner({"game": self.game}, {"game": AdaDFQ})
        game = self.arm()
        if (game.bits, game.arm) != (self.bits[0], "adadfq"):
            raise RefusedError(
                PARAMS,
                "game",
                f"{game.arm} at {game.bits} bits",
                f"adadfq at {self.bits[0]} bits, the first of bed.adadfq.bits",
                "change compress.adadfq",
            )

    def arm(self) -> AdaDFQParams:
        """The study's own."""
        return AdaDFQParams.parse(self.game, "game")


class AdaDFQBed(Bed[AdaDFQBedParams]):
    """Trains and plays the other arms of every seed.

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
        """Every arm at both widths, two of them at one, each of every seed."""
        few, more = self.params.bits
        arms = [(arm, bits) for bits in (few, more) for arm in EVERYWHERE]
        arms += [("no_margin", few), ("adadfq", more)]
        return [
            Job(
                f"{arm} at {bits} bits, seed {seed}",
                {"arm": arm, "bits": bits, "seed": seed},
                ("bits", "seeds"),
            )
            for arm, bits in arms
            for seed in self.params.seeds
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
        arm, bits, seed = (job.settings[name] for name in ("arm", "bits", "seed"))
        origin = {
            **self.origin,
            "seeds": [seed],
            "variant": f"{arm}-{bits}",
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
        """Who plays, for an arm."""
        arm, seed = job.settings["arm"], job.settings["seed"]
        name = {"minmax_data": "minmax", "real": "gdfq"}.get(arm, arm)
        params = replace(self.params.arm(), arm=name, bits=job.settings["bits"])
        alone = take(self.policy, self.origin["seeds"].index(seed))
        if arm in WITH_DATA:
            return RealData(alone, params, seed, self.data)
        return Game(alone, params, seed)

    def played(self, policy: Any, seed: int) -> NDArray[np.float64]:
        """Right answers of each episode, (E,)."""
        from tasks.evaluate.returns import play

        starts = self.params.start_seed + np.arange(self.params.episodes)
        batch = self.world.make(len(starts))
        returns = play(batch, policy, seed, starts, lambda *_: None).returns
        batch.close()
        return returns
