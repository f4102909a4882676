"""A neural SDE that an adaptive solver finds easy: local regularisation.

The SDE form of ``local_reg_nde``, whose source it shares (Pal, Edelman, Rackauckas
2023, arXiv 2303.02262). Of images x with labels y, along a path of W an update,

    du = f(u) dt + g(u) o dW, u(0) = x      solved adaptively (``tasks/nets/heun.py``)
    L  = mean of -log softmax(W u(end) + b)_y
    loss = L + w R              w from weight to weight x fade, exponentially
    R  = h rms(q)               of one step the solver took, drawn evenly from these

R is that step's error as the solver scales it, from a constant state; all other steps
are differentiated for L alone, as the authors differentiate an SDE's solver. Theirs is
SOSRI, of higher order. Tests solve without R.

Shapes: S seeds, B batch, D numbers in an image, K classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.artifacts.fields import Sweepable
from tasks.artifacts.params import Params, Range
from tasks.artifacts.seeding import generator
from tasks.nets.heun import CELLS, Fields, Way, path, scaled, solve
from tasks.nets.heun import step as heun_step
from tasks.nets.layers import Linear
from tasks.nets.optimisers import Adam
from tasks.nets.sde import SdeClassifier
from tasks.nets.tsit5 import Tolerance, column
from tasks.train import PredictorLearner, Rows
from tasks.train.cores.classes import cross_entropy, hits

TINY = 1e-20  # below a root whose gradient at 0 would be infinite


@dataclass(frozen=True)
class LocalRegNsdeParams(Params):
    """Units and ranges stand in params/train/local_reg_nsde.yaml."""

    hidden: Annotated[int, Range(1, 4096)]
    end: Annotated[float, Range(0, 100, open=True)]
    rate: Annotated[float, Range(0, 1, open=True)]
    weight: Annotated[Sweepable, Range(0, 1e9)]
    fade: Annotated[float, Range(0, 1)]
    tolerance: Annotated[float, Range(0, 1, open=True)]
    test_tolerance: Annotated[float, Range(0, 1, open=True)]


class LocalRegNsde(PredictorLearner[LocalRegNsdeParams]):
    """Images in, a logit a class out, over an SDE."""

    reads = ("image", "label")

    def __init__(
        self,
        params: LocalRegNsdeParams,
        data: Mapping[str, NDArray[Any]],
        seeds: Sequence[int],
        updates: int,
    ) -> None:
        super().__init__(params, data, seeds, updates)
        p, self.width = params, int(np.prod(data["image"].shape[1:]))
        classes, width = int(data["label"].max()) + 1, self.width
        sizes = [(width, p.hidden), (p.hidden, width), (width, width), (width, classes)]
        layers = [Linear(len(self.seeds), *size) for size in sizes]
        for i, layer in enumerate(layers):
            layer.initialise([generator(k, f"local_reg_nsde/{i}") for k in self.seeds])
        self.net = SdeClassifier(layers, p.end, (p.test_tolerance, p.test_tolerance))
        self.optimisers["net"] = Adam(self.net.layers.parameters(), p.rate)
        self.tolerance = Tolerance(p.tolerance, p.tolerance)

    def draws(self, batch: int) -> dict[str, tuple[int, ...]]:
        """Numbers that W is made of, and one that says which step is looked at."""
        return {"path": (CELLS, batch * self.width), "step": ()}

    def update(self, batch: Rows, step: int) -> dict[str, Tensor]:
        """Solve, go the way again with a gradient, add R, and take a step of Adam."""
        p, image = self.params, batch.arrays["image"].flatten(2)
        uniform = batch.noise["path"].double().clamp(1e-12, 1 - 1e-12)
        normal = torch.special.ndtri(uniform).to(image.dtype)
        fields = self.flat(image.shape)
        with torch.no_grad():
            way = solve(
                *(fields, image.flatten(1), path(normal, p.end), p.end),
                self.tolerance,
                keep=True,
            )
        end = self.again(fields, image.flatten(1), way).view_as(image)
        penalty = self.probed(fields, way, batch.noise["step"].double().cpu().numpy())
        logits = self.net.layers[3](end)
        loss = cross_entropy(logits, batch.arrays["label"])
        weight = p.weight * p.fade ** (step / max(1, self.updates))
        self.descend("net", loss + weight * penalty)
        return {
            "loss": loss.detach(),
            "penalty": penalty.detach(),
            "accuracy": hits(logits, batch.arrays["label"]),
            "evaluations": torch.from_numpy(way.evaluations).float(),
        }

    def flat(self, shape: torch.Size) -> Fields:
        """The fields of rows (S, B, D) as those of flat states (S, B * D)."""

        def fields(u: Tensor) -> tuple[Tensor, Tensor]:
            f, g = self.net.fields(u.view(shape))
            return f.flatten(1), g.flatten(1)

        return fields

    def again(self, fields: Fields, u: Tensor, way: Way) -> Tensor:
        """The end of the way, its steps in autograd's graph, (S, N)."""
        for _, h, dw, taken in way.steps:
            u_new, _ = heun_step(fields, u, h, dw)
            u = torch.where(column(taken.astype(np.float64), u) > 0, u_new, u)
        return u

    def probed(self, fields: Fields, way: Way, draw: NDArray[np.float64]) -> Tensor:
        """R of each seed, (S,), with its gradient by the weights.

        Args:
            fields: Flat.
            way: Solved, with its steps.
            draw: (S,), of [0, 1): which of the steps taken.
        """
        states, sizes, increments = [], [], []
        for seed, share in enumerate(draw):
            taken = [i for i, (*_, on) in enumerate(way.steps) if on[seed]]
            u, h, dw, _ = way.steps[taken[int(share * len(taken))]]
            states.append(u[seed])
            sizes.append(h[seed])
            increments.append(dw[seed])
        u, h, dw = (
            torch.stack(states).detach(),
            np.array(sizes),
            torch.stack(increments),
        )
        u_new, e = heun_step(fields, u, h, dw)
        square = scaled(e, u, u_new, self.tolerance).square().mean(-1)
        return column(h, u)[:, 0] * (square + TINY).sqrt()

    def predictor(self) -> SdeClassifier:
        """Drift, diffusion and the last layer."""
        return self.net
