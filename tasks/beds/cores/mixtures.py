"""Samplers where the network is known exactly: the noise of a Gaussian mixture.

Data are D-dimensional, one of M equal modes N(mean, std^2 1). At abar the mixture has
the modes N(a mean, (a^2 std^2 + s^2) 1), with a = sqrt(abar) and s = sqrt(1 - abar),
whose score gives eps = -s score. Guidance leads towards the first two modes. What a
sampler misses is then its own error alone: the squared distance to a fine DDIM from the
same noise, mean over dimensions. Under guidance a few samples end in another mode than
the fine DDIM's and carry the mean over samples; the mean of logarithms tells how far
the sampler is off on the usual one.

:class:`MixtureBed` is the bed of a claim about samplers. A job is a table on one
mixture; its result is the table's cells, see :meth:`MixtureBed.cells`. Nothing in it is
fitted, but the ratios of samplers that search some, on noises of their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from tasks.artifacts.params import Distinct, Range
from tasks.beds import Bed, BedParams, Job, Report, check_inner
from tasks.export import Sampler
from tasks.export.cores.schedule import Schedule
from tasks.export.dc_solver.ratios import Reference, trace
from tasks.nets.guidance import guided
from tasks.nets.sampling import Network, Plan, run

SEARCHED = 10  # noises that ratios are searched on
BED = {"end": "table", "clip": False}  # data is not within [-1, 1]
STAGES = {"heun": 2, "kutta3": 3}  # network calls a step of a Runge-Kutta scheme


@dataclass(frozen=True)
class MixtureBedParams(BedParams):
    """Which mixtures, and the samplers' parameters.

    Units and ranges stand in params/beds/deis.yaml.

    Attributes:
        mixtures: Seeds of the mixtures, each with noises of its own.
        samples: Noises a mixture: others than the ratios are searched on.
        fine: Steps of the fine DDIM between two whole times.
        methods: Parameters of the samplers, by the name of the method.
    """

    mixtures: Annotated[tuple[int, ...], Range(0, 2**31 - 1), Distinct(1)]
    samples: Annotated[int, Range(2, 10**6)]
    fine: Annotated[int, Range(1, 10**6)]
    methods: dict[str, Any]


@dataclass(frozen=True)
class Table:
    """What is measured on every mixture.

    Attributes:
        samplers: Rows of the bed.
        guidances: 0 is none.
        calls: Of the network.
        std: Of the mixture's modes.
    """

    samplers: Sequence[str]
    guidances: Sequence[float]
    calls: Sequence[int]
    std: float


@dataclass(frozen=True)
class Situation:
    """What a sampler's plan may depend on.

    Attributes:
        schedule: Of the noise.
        network: The true noise.
        noise: (1, SEARCHED, D), to search on.
        guide: The fine DDIM from that noise.
        guidance: 0 is none.
    """

    schedule: Schedule
    network: Network
    noise: Tensor
    guide: Reference
    guidance: float


@dataclass(frozen=True)
class Mixture:
    """The data.

    Attributes:
        means: (M, D), float64.
        std: Of each mode, in each dimension.
        schedule: Of the noise.
    """

    means: Tensor
    std: float
    schedule: Schedule

    @classmethod
    def drawn(
        cls, std: float = 0.3, width: int = 8, modes: int = 8, seed: int = 0
    ) -> "Mixture":
        """Means 1.5 N(0, 1); linear betas 1e-4..0.02 in 1000 steps."""
        generator = torch.Generator().manual_seed(seed)
        means = torch.randn(modes, width, generator=generator, dtype=torch.float64)
        abar = np.multiply.accumulate(1 - np.linspace(1e-4, 0.02, 1000))
        return cls(1.5 * means, std, Schedule.of(abar))

    def noise(self, x: Tensor, time: float, modes: slice) -> Tensor:
        """The noise of the mixture of some of its modes, (..., D)."""
        abar = float(self.schedule.abar(time))
        a, s = abar**0.5, (1 - abar) ** 0.5
        spread = abar * self.std**2 + 1 - abar
        apart = a * self.means[modes] - x[..., None, :]  # (..., M, D)
        share = torch.softmax(-apart.square().sum(-1) / (2 * spread), -1)
        return -s / spread * (share[..., None] * apart).sum(-2)

    def network(self, guidance: float) -> Network:
        """What a sampler calls: all modes, led towards the first two if guided."""
        every = slice(None)
        if not guidance:
            return lambda x, time: self.noise(x, time, every)

        def doubled(x: Tensor, time: float) -> Tensor:
            guided_half, plain_half = x.chunk(2, 1)
            parts = (guided_half, slice(2)), (plain_half, every)
            return torch.cat([self.noise(y, time, part) for y, part in parts], 1)

        return guided(doubled, guidance)

    def draw(self, count: int, seed: int) -> Tensor:
        """Where samples begin, (1, count, D)."""
        generator = torch.Generator().manual_seed(seed)
        shape = (1, count, self.means.shape[1])
        return torch.randn(shape, generator=generator, dtype=torch.float64)


class MixtureBed(Bed[MixtureBedParams]):
    """Errors of samplers on mixtures.

    Attributes:
        METHODS: The classes of samplers, by the name of the method.
        ROWS: By the name of a row, its method, and what differs from its parameters.
        GUIDED: By the name of a method, what differs besides under guidance.
        TABLES: By name.
    """

    METHODS: ClassVar[Mapping[str, type[Sampler[Any]]]]
    ROWS: ClassVar[Mapping[str, tuple[str, Mapping[str, Any]]]]
    GUIDED: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    TABLES: ClassVar[Mapping[str, Table]]

    @classmethod
    def check_params(cls, params: MixtureBedParams, where: str) -> None:
        """Refuse parameters of other samplers than those of the rows.

        Args:
            params: To be checked.
            where: The dotted path they stand at, for errors.
        """
        check_inner(params.methods, cls.METHODS, f"{where}.methods")

    def jobs(self) -> Sequence[Job]:
        """Every table on every mixture."""
        return [
            Job(
                f"{table}, mixture {seed}",
                {"table": table, "mixture": seed},
                ("mixtures",),
            )
            for table in self.TABLES
            for seed in self.params.mixtures
        ]

    def run(self, job: Job, report: Report) -> Any:
        """The cells of a table on one mixture."""
        table = self.TABLES[job.settings["table"]]
        return self.cells(table, job.settings["mixture"], report)

    def cells(self, table: Table, seed: int, report: Report) -> list[dict[str, Any]]:
        """Every cell, those that diverged included.

        Args:
            table: Which.
            seed: Of the means and, apart from them, the noises.
            report: Told the share of the cells that is done.

        Returns:
            ``sampler``, ``guidance``, ``nfe`` (network calls), over every other sample
            from the first and from the second on ``means`` (of the errors) and ``logs``
            (of their natural logarithms), and what :meth:`plan` tells. A count of calls
            that a sampler cannot make is left out.
        """
        p, mixture = self.params, Mixture.drawn(table.std, seed=seed)
        held_out = mixture.draw(p.samples, seed + 1)
        tuning = mixture.draw(SEARCHED, seed + 2)
        cells = []
        rows = [(name, count) for name in table.samplers for count in table.calls]
        for i, guidance in enumerate(table.guidances):
            network = mixture.network(guidance)
            top = mixture.schedule.start(self.sampler("ddim").params.floor)
            times = np.linspace(top, 0, p.fine * top + 1)  # passes every whole time
            true, guide = (
                trace(mixture.schedule, times, network, "noise", z, None, clip=False)
                for z in (held_out, tuning)
            )
            situation = Situation(mixture.schedule, network, tuning, guide, guidance)
            for j, (name, count) in enumerate(rows):
                planned = self.plan(name, count, situation)
                if planned is not None:
                    sample = self._sample(mixture, planned[0], network, held_out)
                    errors = (sample - true.states[-1]).square().mean(-1)[0]
                    head = {"sampler": name, "guidance": guidance, "nfe": count}
                    halves = [errors[k::2] for k in range(2)]
                    means = {
                        "means": [half.mean().item() for half in halves],
                        "logs": [half.log().mean().item() for half in halves],
                    }
                    cells.append({**head, **means, **planned[1]})
                report((i + (j + 1) / len(rows)) / len(table.guidances))
        return cells

    def sampler(self, row: str, guidance: float = 0.0) -> Sampler[Any]:
        """The sampler of a row, without guidance or under it."""
        method, changes = self.ROWS[row]
        cls, where = self.METHODS[method], f"methods.{method}"
        guided = self.GUIDED.get(method, {}) if guidance else {}
        block = self.params.methods[method] | BED | guided | changes
        return cls(cls.Parameters.parse(block, where))

    def plan(
        self, row: str, calls: int, situation: Situation
    ) -> tuple[Plan, dict[str, Any]] | None:
        """A row's plan of so many calls, and what to tell of it.

        Returns:
            None where the sampler cannot make that many calls.
        """
        sampler = self.sampler(row, situation.guidance)
        own = sampler.params
        stages = getattr(own, "family", "") == "rhork"
        if calls % (STAGES[own.scheme] if stages else 1):
            return None
        return sampler.plan(situation.schedule, calls), {}

    @staticmethod
    def _sample(
        mixture: Mixture, plan: Plan, network: Network, noise: Tensor
    ) -> Tensor:
        """What a plan makes of the noise, (1, samples, D)."""
        more = [mixture.draw(noise.shape[1], 1000 + k) for k in range(1, plan.noises)]
        with torch.no_grad():
            return run(plan, network, "noise", [noise, *more])
