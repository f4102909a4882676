"""A neural ODE that an adaptive solver finds easy: local regularisation.

Pal, Edelman, Rackauckas 2023, "Locally Regularized Neural Differential Equations: Some
Black Boxes Were Meant to Remain Closed!", ICML, arXiv 2303.02262; reference
github.com/avik-pal/LocalRegNeuralDE.jl. Of images x with labels y,

    u' = f(u, t), u(0) = x      solved adaptively, its gradient by the adjoint
    L  = mean of -log softmax(W u(end) + b)_y
    loss = L + w R              w from weight to weight x fade, exponentially

| regularise | R |
|---|---|
| none | 0 |
| local | the estimate of one extra step from a random point of the way (``probe.py``) |
| global | its mean over all steps of the way, differentiated through the solver |

The solver (``tasks/nets/tsit5.py``) stays as it is: a local R costs one step beside it,
a global one needs the gradient of every step. Tests solve without R, at the tolerance
of ``test_tolerance``. Where the paper's solver adds the drawn time to its output by
interpolation, one step of the same method leads there.

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
from tasks.artifacts.params import OneOf, Params, Range
from tasks.artifacts.seeding import generator
from tasks.nets.layers import Linear, parameters_of
from tasks.nets.ode import OdeClassifier
from tasks.nets.optimisers import Adam
from tasks.nets.tsit5 import Solution, Tolerance, column, step
from tasks.train import PredictorLearner, Rows
from tasks.train.cores.classes import cross_entropy, hits
from tasks.train.local_reg_nde.adjoint import Solver, flat_field
from tasks.train.local_reg_nde.probe import Flat, biased, of_step, probed, unbiased


@dataclass(frozen=True)
class LocalRegNdeParams(Params):
    """Units and ranges stand in params/train/local_reg_nde.yaml."""

    hidden: Annotated[int, Range(1, 4096)]
    end: Annotated[float, Range(0, 100, open=True)]
    rate: Annotated[float, Range(0, 1, open=True)]
    regularise: Annotated[str, OneOf(("none", "local", "global"))]
    estimate: Annotated[str, OneOf(("error", "stiffness"))]
    sampling: Annotated[str, OneOf(("unbiased", "biased"))]
    weight: Annotated[Sweepable, Range(0, 1e9)]
    fade: Annotated[float, Range(0, 1)]
    tolerance: Annotated[float, Range(0, 1, open=True)]
    test_tolerance: Annotated[float, Range(0, 1, open=True)]
    most_steps: Annotated[int, Range(1, 10**6)]


class LocalRegNde(PredictorLearner[LocalRegNdeParams]):
    """Images in, a logit a class out, over an ODE."""

    reads = ("image", "label")

    def __init__(
        self,
        params: LocalRegNdeParams,
        data: Mapping[str, NDArray[Any]],
        seeds: Sequence[int],
        updates: int,
    ) -> None:
        super().__init__(params, data, seeds, updates)
        p, width = params, int(np.prod(data["image"].shape[1:]))
        classes = int(data["label"].max()) + 1
        sizes = [(width + 1, p.hidden), (p.hidden + 1, width), (width, classes)]
        layers = [Linear(len(self.seeds), *size) for size in sizes]
        for i, layer in enumerate(layers):
            layer.initialise([generator(k, f"local_reg_nde/{i}") for k in self.seeds])
        test = p.test_tolerance, p.test_tolerance
        self.net = OdeClassifier(layers, p.end, test)
        self.optimisers["net"] = Adam(self.net.layers.parameters(), p.rate)
        self.tolerance = Tolerance(p.tolerance, p.tolerance, p.most_steps)
        own = parameters_of(layers[:2])
        self.solver = Solver(self.net.field, own, p.end, self.tolerance)

    def draws(self, batch: int) -> dict[str, tuple[int, ...]]:
        """One number an update says from which point the extra step is taken."""
        del batch
        return {"point": ()}

    def update(self, batch: Rows, step: int) -> dict[str, Tensor]:
        """Solve, add what the solver would say of a step, and take one of Adam."""
        p, image = self.params, batch.arrays["image"].flatten(2)
        flat = flat_field(self.net.field, image.shape)
        penalty = image.new_zeros(len(self.seeds))
        if p.regularise == "global":
            self.solver.forward(image)
            end, penalty = self.replayed(flat, image, self.way)
        else:
            end = self.solver(image)
            if p.regularise == "local":
                point = self.point(flat, batch.noise["point"])
                penalty = probed(flat, point, p.end, self.tolerance, p.estimate)
        logits = self.net.layers[2](end)
        loss = cross_entropy(logits, batch.arrays["label"])
        self.descend("net", loss + self.faded(step) * penalty)
        return {
            "loss": loss.detach(),
            "penalty": penalty.detach(),
            "accuracy": hits(logits, batch.arrays["label"]),
            "evaluations": torch.from_numpy(self.way.evaluations).float(),
        }

    def faded(self, step: int) -> Any:
        """W at an update: one number, or in a sweep one a slice."""
        p = self.params
        return p.weight * p.fade ** (step / max(1, self.updates))

    @property
    def way(self) -> Solution:
        """The last way forward."""
        if self.solver.last is None:
            raise LookupError("nothing was solved")
        return self.solver.last

    def point(self, flat: Flat, draw: Tensor) -> tuple[Any, Tensor]:
        """Where the extra step begins, times (S,) and states (S, B * D)."""
        shares = draw.double().cpu().numpy()
        with torch.no_grad():
            if self.params.sampling == "biased":
                return biased(self.way, shares)
            return unbiased(self.way, shares, self.params.end, flat)

    def replayed(
        self, flat: Flat, image: Tensor, way: Solution
    ) -> tuple[Tensor, Tensor]:
        """The way again, its steps in autograd's graph: the end, and the mean of R.

        Args:
            flat: The field.
            image: (S, B, D), where it begins.
            way: Whose step sizes are taken; a slice that takes none in a round stays.
        """
        u, total = image.flatten(1), image.new_zeros(len(image))
        count = np.zeros(len(image))
        for t, _, taken, h in way.starts:
            size, first = np.where(taken, h, 0.0), flat(u, t)
            each = of_step(
                flat, t, u, size, first, self.tolerance, self.params.estimate
            )
            on = column(taken.astype(np.float64), u)
            total, count = total + on[:, 0] * each, count + taken
            u_new, *_ = step(flat, t, u, size, first)
            u = torch.where(on > 0, u_new, u)
        return u.view_as(image), total / column(count, u)[:, 0]

    def predictor(self) -> OdeClassifier:
        """The field and the last layer."""
        return self.net
