"""The bed of the claim ``adadfq``: arms the study's graph does not carry.

Each starts from the study's own float policy of a seed, becomes an ONNX file, and that
file plays the episodes on which the study evaluates. What is finished is kept under
``.offcut/claims/``, in a folder named by the hash of all that determines it.

| arm | looks at | learns |
|---|---|---|
| ``minmax`` | noise, for the ranges of activations | nothing |
| ``minmax_data`` | the dataset's pictures, likewise | nothing |
| ``gdfq``, ``adadfq``, ``no_margin`` | nothing | see ``tasks/compress/adadfq/`` |
| ``real`` | the dataset's pictures and labels | with GDFQ's loss, the ceiling |
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor

import tasks
from tasks.artifacts.dataset import load_transitions
from tasks.artifacts.files import (
    canonical,
    read_json,
    sha256,
    whole_folder,
    write_json,
)
from tasks.artifacts.onnx_policy import (
    OnnxPolicy,
    build_model,
    contract_of,
    write_onnx,
)
from tasks.artifacts.params import build
from tasks.artifacts.policy import load_policy, statistics_sha256, weights_sha256
from tasks.artifacts.progress import Progress
from tasks.claims.engine.results import Results
from tasks.compress.adadfq.game import AdaDFQParams, Game
from tasks.compress.adadfq.losses import Watch
from tasks.evaluate.returns import play
from tasks.nets.policy import take
from tasks.nets.resnet import ResNet
from tasks.nets.resnet_base import as_pictures
from tasks.train.engine.processes import side_by_side

KEPT = Path(".offcut/claims")
SOURCES = (
    "compress/_adadfq*.py",
    "nets/res*.py",
    "claims/_adadfq.py",
    "worlds/scenes.py",
)
WITH_DATA = ("minmax_data", "real")


@dataclass(frozen=True)
class Pictures:
    """A dataset's pictures as the network sees them, and the answers logged.

    Attributes:
        seen: (N, C, Y, X), normalised.
        label: (N,), int64.
        sha256: Of the dataset.
    """

    seen: Tensor
    label: Tensor
    sha256: str


class RealData(Game):
    """Q learns on real pictures; no picture is made.

    Args:
        teacher: P, a stack of one.
        params: Arm ``gdfq`` to learn, ``minmax`` to look alone.
        seed: Of the draws.
        given: The pictures.
    """

    def __init__(
        self, teacher: ResNet, params: AdaDFQParams, seed: int, given: Pictures
    ) -> None:
        super().__init__(teacher, params, seed)
        self.given = given

    def drawn(self) -> tuple[Tensor, Tensor]:
        """A batch: pictures (B, C, Y, X) and answers (B,)."""
        shape = (self.params.batch,)
        at = torch.randint(len(self.given.label), shape, generator=self.chance)
        return self.given.seen[at], self.given.label[at]

    def look(self) -> None:
        """Ranges: the largest seen on real pictures."""
        with torch.no_grad():
            for _ in range(self.params.iterations):
                self.student.logits(self.drawn()[0])
        self.student.settled = True

    def teach_maker(
        self, wanted: Tensor, given: Tensor, label: Tensor, watch: Watch
    ) -> dict[str, float]:
        """Nobody makes pictures here."""
        del wanted, given, label, watch
        return {}


@dataclass(frozen=True)
class Job:
    """One arm at one width for one seed.

    Attributes:
        arm: See the module.
        bits: Of weights and activations.
        k: Slice of the float policy.
        seed: Its number.
    """

    arm: str
    bits: int
    k: int
    seed: int


class Bed:
    """The float policies, the pictures and the world of a study that ran.

    Args:
        results: Of it.
        dataset: Its name.
        learner: Of the float policies.
    """

    def __init__(self, results: Results, dataset: str, learner: str) -> None:
        torch.set_num_threads(1)
        self.params = AdaDFQParams.parse(
            results.params["compress"]["adadfq"], "compress.adadfq"
        )
        self.returns = results.params["evaluate"]["returns"]
        root = results.root
        policy, self.origin = load_policy(root / "policies" / dataset / learner)
        if not isinstance(policy, ResNet):
            raise TypeError(f"{type(policy).__name__}: the bed's policies are ResNets")
        self.policy = policy
        folder = root / "datasets" / f"{dataset}-v0"
        self.world = build(read_json(folder / "world.json", "dvc repro")["world"], "")
        data = load_transitions(folder)
        flat = policy.normalise(torch.from_numpy(data.observation))
        self.data = Pictures(
            as_pictures(flat, policy.image),
            torch.from_numpy(data.action).argmax(1),
            data.sha256,
        )

    def run(self, wanted: Sequence[tuple[str, int]]) -> dict[tuple[str, int], Any]:
        """Train what is not kept yet, two jobs at once where there are two cores.

        Args:
            wanted: Arms and bits.

        Returns:
            For each: right answers (S, E), bytes (S,), and the course a seed.
        """
        jobs = [
            Job(arm, bits, k, seed)
            for arm, bits in wanted
            for k, seed in enumerate(self.origin["seeds"])
        ]
        left = [job for job in jobs if not self.folder(job).exists()]
        if left:
            with Progress("arms of adadfq", self.params.epochs, lines=20) as progress:

                def report(done: int, told: dict[str, float]) -> None:
                    progress(done, f"same {told['same']:.3g}")

                side_by_side(len(left), lambda i, say: self.work(left[i], say), report)
        found: dict[tuple[str, int], Any] = {}
        for arm, bits in wanted:
            every = [
                read_json(self.folder(job) / "result.json", "make claim NAME=adadfq")
                for job in jobs
                if (job.arm, job.bits) == (arm, bits)
            ]
            found[arm, bits] = {
                "right": np.array([one["right"] for one in every]),
                "bytes": [one["bytes"] for one in every],
                "course": [one["course"] for one in every],
            }
        return found

    def work(self, job: Job, say: Any) -> None:
        """Train, write the file, play it, keep what came of it."""
        course: list[dict[str, float]] = []

        def tell(epoch: int, told: dict[str, float]) -> None:
            course.append({"epoch": epoch, **told})
            say(epoch + 1, {"same": told["same"]})

        made = self.game(job).run(tell)
        origin = {
            **self.origin,
            "seeds": [job.seed],
            "variant": f"{job.arm}-{job.bits}",
            "weights_sha256": weights_sha256(made),
            "statistics_sha256": statistics_sha256(made),
        }
        with whole_folder(self.folder(job)) as folder:
            path = folder / f"seed-{job.seed}.onnx"
            contract = contract_of(made, 0, origin, "exact")
            write_onnx(path, build_model(made, 0), contract)
            right = self.played(OnnxPolicy.open(path), job.seed)
            told = {
                "right": right.tolist(),
                "bytes": path.stat().st_size,
                "course": course,
            }
            write_json(folder / "result.json", told)

    def game(self, job: Job) -> Game:
        """Who plays, for an arm."""
        arm = {"minmax_data": "minmax", "real": "gdfq"}.get(job.arm, job.arm)
        params = replace(self.params, arm=arm, bits=job.bits)
        alone = take(self.policy, job.k)
        if job.arm in WITH_DATA:
            return RealData(alone, params, job.seed, self.data)
        return Game(alone, params, job.seed)

    def played(self, policy: OnnxPolicy, seed: int) -> NDArray[np.float64]:
        """Right answers of each episode, (E,)."""
        starts = self.returns["start_seed"] + np.arange(self.returns["episodes"])
        batch = self.world.make(len(starts))
        found = play(batch, policy, seed, starts, lambda *_: None).returns
        batch.close()
        return found

    def folder(self, job: Job) -> Path:
        """Where a job's result is kept."""
        here = Path(tasks.__path__[0])
        files = sorted(file for pattern in SOURCES for file in here.glob(pattern))
        whole = {
            "job": vars(job),
            "params": vars(self.params),
            "policy": weights_sha256(self.policy),
            "statistics": statistics_sha256(self.policy),
            "dataset": self.data.sha256 if job.arm in WITH_DATA else "",
            "starts": [self.returns[name] for name in ("start_seed", "episodes")],
            "sources": [sha256(file) for file in files],
            "versions": [torch.__version__, np.__version__, onnxruntime.__version__],
        }
        return KEPT / hashlib.sha256(canonical(whole).encode()).hexdigest()
