"""A bed without a network: the noise of a Gaussian mixture is known exactly.

Data are D-dimensional, one of M equal modes N(mean, std^2 1). At abar the mixture has
the modes N(a mean, (a^2 std^2 + s^2) 1), whose score gives eps = -s score. Guidance
leads towards the first two modes. What a sampler misses is then its own error alone.

:func:`table` holds every cell: sampler, guidance, network calls, mean squared distance
to a fine DDIM from the same noise. Nothing in it is fitted, but DC-Solver's ratios, on
noises of their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from tasks.artifacts.params import build
from tasks.export import Sampler
from tasks.export.cores.schedule import Schedule
from tasks.export.cores.time_grid import make_nodes
from tasks.export.cores.unipc_plan import Form, plan
from tasks.export.dc_solver.ratios import Reference, search, trace
from tasks.nets.guidance import guided
from tasks.nets.sampling import Network, run

PARAMS = Path("params/export")
SEARCHED = 10  # noises the ratios are searched on
BED = {"end": "table", "clip": False}  # data is not within [-1, 1]
# name: method and what differs from its parameters
SAMPLERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddpm": ("ddpm", {}),
    "ddim": ("ddim", {}),
    "ddim_quadratic": ("ddim", {"power": 2.0}),
    "dpm_solver": ("dpm_solver", {}),
    "unipc": ("unipc", {}),
    "unipc_predictor": ("unipc", {"corrector": "none"}),
    "unipc3_bh1": ("unipc", {"order": 3, "variant": "bh1"}),
    "dc_solver": ("dc_solver", {}),
    "dc_solver_predictor": ("dc_solver", {"corrector": "none"}),
    "dc_solver3_bh1": ("dc_solver", {"order": 3, "variant": "bh1"}),
    "euler": ("deis", {"family": "euler", "power": 1.0}),
    "score_ei": ("deis", {"family": "score_ei", "power": 1.0}),
    **{f"tab{order}": ("deis", {"order": order, "power": 1.0}) for order in (1, 2, 3)},
    "tab3_quadratic": ("deis", {"power": 2.0}),
    "tab3_log": ("deis", {"grid": "log"}),
    "tab3_rho7": ("deis", {"grid": "rho", "power": 7.0}),
    "rhoab2": ("deis", {"family": "rhoab", "order": 2}),
    "rhoab3": ("deis", {"family": "rhoab", "order": 3}),
    "rho_heun": ("deis", {"family": "rhork", "scheme": "heun"}),
    "rho_kutta3": ("deis", {"family": "rhork", "scheme": "kutta3"}),
    "ipndm": ("deis", {"family": "ipndm", "power": 1.0}),
}


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
            told, untold = x.chunk(2, 1)
            parts = (told, slice(2)), (untold, every)
            return torch.cat([self.noise(y, time, part) for y, part in parts], 1)

        return guided(doubled, guidance)

    def draw(self, count: int, seed: int) -> Tensor:
        """Where samples begin, (1, count, D)."""
        generator = torch.Generator().manual_seed(seed)
        shape = (1, count, self.means.shape[1])
        return torch.randn(shape, generator=generator, dtype=torch.float64)


def sampler(name: str) -> Sampler[Any]:
    """A row of the table, from the parameters in params/export."""
    method, changes = SAMPLERS[name]
    block = yaml.safe_load((PARAMS / f"{method}.yaml").read_text(encoding="utf-8"))
    return build(block | BED | changes, f"export.{method}")


def table(
    names: Sequence[str] = tuple(SAMPLERS),
    guidances: Sequence[float] = (0.0, 7.5),
    calls: Sequence[int] = (5, 6, 8, 10, 15, 20),
    std: float = 0.3,
    samples: int = 512,
    seed: int = 0,
    fine: int = 4,
) -> list[dict[str, Any]]:
    """Every cell, those that diverged included.

    Args:
        names: Of ``SAMPLERS``.
        guidances: 0 is none.
        calls: Of the network.
        std: Of the modes.
        samples: Held out: other noises than the ratios were searched on.
        seed: Of the means and, apart from them, the noises.
        fine: Steps of the fine DDIM between two times, 953 times in all.

    Returns:
        ``sampler``, ``guidance``, ``nfe``, ``mse`` (mean over samples and dimensions),
        and ``ratios`` of a DC-Solver. A count a sampler cannot make is left out.
    """
    bed = Mixture.drawn(std, seed=seed)
    held_out, tuning = bed.draw(samples, seed + 1), bed.draw(SEARCHED, seed + 2)
    rows = []
    for guidance in guidances:
        network = bed.network(guidance)
        top = bed.schedule.start(sampler("ddim").params.floor)
        times = np.linspace(top, 0, fine * top + 1)  # passes every whole time
        true, guide = (
            trace(bed.schedule, times, network, "noise", z, None, clip=False)
            for z in (held_out, tuning)
        )
        for name in names:
            for count in calls:
                row = _cell(bed, sampler(name), network, count, held_out, tuning, guide)
                if row is not None:
                    mse = (row.pop("sample") - true.states[-1]).square().mean().item()
                    head = {"sampler": name, "guidance": guidance, "nfe": count}
                    rows.append({**head, "mse": mse, **row})
    return rows


def _cell(
    bed: Mixture,
    made: Sampler[Any],
    network: Network,
    calls: int,
    noise: Tensor,
    tuning: Tensor,
    guide: Reference,
) -> dict[str, Any] | None:
    """The samples of one sampler, and its ratios if it has some."""
    own, told = made.params, {}
    if hasattr(own, "iterations"):
        nodes = make_nodes(bed.schedule, calls, own)
        form = Form(own.order, own.variant, own.corrector, own.clip)
        found = search(
            nodes, form, network, "noise", tuning, None, guide, own.iterations, own.rate
        )
        made_plan = plan(nodes, "dc_solver", form, found.ratios)
        told = {"ratios": found.ratios}
    else:
        stages = getattr(own, "family", "") == "rhork"
        count = {"heun": 2, "kutta3": 3}[own.scheme] if stages else 1
        if calls % count:
            return None
        made_plan = made.plan(bed.schedule, calls)
    more = [bed.draw(noise.shape[1], 1000 + k) for k in range(1, made_plan.noises)]
    with torch.no_grad():
        return {"sample": run(made_plan, network, "noise", [noise, *more]), **told}


def lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table as Markdown: a row a sampler and guidance, a column a count."""
    counts = sorted({row["nfe"] for row in rows})
    cells = {(r["sampler"], r["guidance"], r["nfe"]): r["mse"] for r in rows}
    found = [
        "| sampler | guidance | " + " | ".join(map(str, counts)) + " |",
        "|---|--:|" + "--:|" * len(counts),
    ]
    for name, guidance in dict.fromkeys((r["sampler"], r["guidance"]) for r in rows):
        told = [cells.get((name, guidance, n)) for n in counts]
        shown = " | ".join("" if v is None else f"{v:.3g}" for v in told)
        found.append(f"| {name} | {guidance:g} | {shown} |")
    return found
