"""A policy that remembers what it earned: quantiles of returns, asked with a stock.

Paper: Avila Pires et al. 2025 (JMLR 26(185), arXiv 2501.13028). With the stock c and
the quantiles q_i(s, c, a) of the return to come, it takes the action with the largest

    sum_i w_i f(c + q_i(s, c, a)),   c_0 its start, then c <- (c + r) / discount

| objective | f(x) | w | start |
|---|---|---|---|
| ``worst`` | min(x, 0) | 1 / N | found after training, a number a seed |
| ``mean`` | x | 1 / N | 0 |
| ``target`` | -abs(x) | 1 / N | minus the return that is wanted |
| ``worst_without_stock`` | x | of the lowest quantiles alone | the stock is always 0 |

The last is no such policy: it minds the worst of what is to come, whatever was earned.

Shapes: S seeds, B batch, O observation, A actions, N quantiles.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tasks.nets.graph import Graph
from tasks.nets.policy import Carried, Logged, Policy, build_layer

OBJECTIVES = ("worst", "mean", "target", "worst_without_stock")


class Start(nn.Module):
    """The stock with which episodes begin, a number a seed."""

    def __init__(self, stack: int) -> None:
        super().__init__()
        self.stock = nn.Parameter(torch.zeros(stack, 1, 1))


class StockPolicy(Policy):
    """Observation, reward and the carried stock -> quantiles -> action.

    What it carries, an episode each: ``stock`` (1,), before the last reward, and
    ``begun`` (1,), 0 at the first step.

    Args:
        layers: Stacked linear layers, O + 1 inputs, A N outputs.
        objective: Of the table above.
        share: Of the worst returns that count.
        discount: Per step, (0, 1].
        width: By which stocks are divided before the network sees them.
        actions: A.

    Attributes:
        weights: w, (N,).
    """

    def __init__(
        self,
        layers: Sequence[nn.Module],
        objective: str,
        share: float,
        discount: float,
        width: float,
        actions: int,
    ) -> None:
        first: Any = layers[0]
        last: Any = layers[-1]
        if objective not in OBJECTIVES:
            raise ValueError(f"unknown objective {objective!r}")
        o, zeros = first.inputs - 1, torch.zeros(actions)
        super().__init__(torch.zeros(o), torch.ones(o), zeros, torch.ones(actions))
        self.layers: Any = nn.ModuleList(layers)
        self.start = Start(first.stack)
        self.objective, self.share = objective, share
        self.discount, self.width = discount, width
        self.quantiles = last.outputs // actions
        self.weights = torch.full((self.quantiles,), 1 / self.quantiles)
        if not self.stocked:
            lowest = max(1, round(share * self.quantiles))
            self.weights = (torch.arange(self.quantiles) < lowest) / lowest

    @property
    def stocked(self) -> bool:
        """Whether it has a stock at all."""
        return self.objective != "worst_without_stock"

    @property
    def seeds(self) -> int:
        """S, the length of the stack."""
        return int(self.layers[0].stack)

    def returns(self, observation: Tensor, stock: Tensor) -> Tensor:
        """Quantiles (S, B, A, N) where there is a stock (S, B, 1)."""
        x = torch.cat([observation, stock / self.width], -1)
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        flat: Tensor = self.layers[-1](x)
        return flat.view(*flat.shape[:2], self.action_width, self.quantiles)

    def scores(self, quantiles: Tensor, stock: Tensor) -> Tensor:
        """Of every action, (S, B, A), from :meth:`returns` and the stock (S, B, 1)."""
        x = stock[..., None] + quantiles
        if self.objective == "worst":
            x = x.clamp(max=0)
        elif self.objective == "target":
            x = -x.abs()
        return (x * self.weights.to(x)).sum(-1)

    def step(
        self, inputs: Mapping[str, Tensor], carry: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Act for a step of B episodes, and remember the stock."""
        begun = carry["begun"]
        stock = (carry["stock"] + inputs["reward"]) / self.discount
        stock = begun * stock + (1 - begun) * self.start.stock
        stock = stock if self.stocked else torch.zeros_like(stock)
        quantiles = self.returns(inputs["observation"], stock)
        logits = self.scores(quantiles, stock)
        outputs = {"action": logits.argmax(-1), "logits": logits}
        outputs["quantiles"] = quantiles.flatten(-2)
        return outputs, {"stock": stock, "begun": torch.ones_like(begun)}

    def inputs(self) -> dict[str, int]:
        """``observation``, and ``reward`` of the step before."""
        return {**super().inputs(), "reward": 1}

    def outputs(self) -> dict[str, int | None]:
        """``action``, scores as ``logits``, and ``quantiles``, action by action."""
        width = self.action_width
        both = {"logits": width, "quantiles": width * self.quantiles}
        return {"action": None, **both}

    def carry(self) -> dict[str, Carried]:
        """The stock, and whether the episode has begun."""
        return {"stock": Carried((1,)), "begun": Carried((1,))}

    def linears(self) -> dict[str, nn.Module]:
        """Its layers."""
        return {f"layers.{i}": layer for i, layer in enumerate(self.layers)}

    def recall(self, logged: Logged) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The last observation as the first of an episode: what came before is gone."""
        lead = len(logged.observation)
        inputs = {"observation": logged.observation[:, -1]}
        inputs["reward"] = torch.zeros(lead, 1)
        return inputs, {name: torch.zeros(lead, 1) for name in self.carry()}

    def spec(self) -> dict[str, Any]:
        """Class and arguments, for policy.json."""
        return {
            "class": "tasks.nets.stock.StockPolicy",
            "stack": self.seeds,
            "layers": [layer.spec() for layer in self.layers],
            "objective": self.objective,
            "share": self.share,
            "discount": self.discount,
            "width": self.width,
            "actions": self.action_width,
        }

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> "StockPolicy":
        """A policy of the right shape, its tensors still zero."""
        layers = [build_layer(entry, spec["stack"]) for entry in spec["layers"]]
        names = ("objective", "share", "discount", "width", "actions")
        return cls(layers, **{name: spec[name] for name in names})

    def emit(self, graph: Graph, k: int) -> None:
        """Add seed slice ``k`` to a graph that has the policy's inputs and carry."""
        one, zero = graph.scalar("one", 1.0), graph.scalar("zero", 0.0)
        x = graph.add("Add", "stock", "reward", name="earned")
        x = graph.add(
            "Div", x, graph.scalar("discount", self.discount), name="rescaled"
        )
        x = graph.add("Mul", "begun", x, name="kept")
        first = graph.add("Sub", one, "begun", name="first")
        begin = graph.constant("start.stock", self.start.stock[k, 0])
        begin = graph.add("Mul", first, begin, name="begin")
        stock = graph.add("Add", x, begin, name="stock_now")
        if not self.stocked:
            stock = graph.add("Mul", stock, zero, name="no_stock")
        graph.add("Identity", stock, name="next_stock")
        ended = graph.add("Mul", "begun", zero, name="nothing")
        graph.add("Add", ended, one, name="next_begun")
        x = graph.add("Div", stock, graph.scalar("width", self.width), name="scaled")
        x = graph.add("Concat", "observation", x, name="both", axis=-1)
        for i, layer in enumerate(self.layers):
            x = layer.emit(graph, x, k, f"layer{i}")
            if i + 1 < len(self.layers):
                x = graph.add("Relu", x, name=f"layer{i}.relu")
        graph.add("Identity", x, name="quantiles")
        shape = np.array([0, self.action_width, self.quantiles], np.int64)
        x = graph.add("Reshape", x, graph.constant("shape", shape), name="by_action")
        last = graph.constant("last_axis", np.array([2], np.int64))
        wide = graph.add("Unsqueeze", stock, last, name="stock_wide")
        x = graph.add("Add", x, wide, name="total")
        if self.objective == "worst":
            x = graph.add("Min", x, zero, name="short")
        elif self.objective == "target":
            x = graph.add("Abs", x, name="missed")
            x = graph.add("Neg", x, name="minus_missed")
        weights = graph.constant("weights", self.weights.float())
        x = graph.add("Mul", x, weights, name="weighted")
        graph.add("ReduceSum", x, last, name="logits", keepdims=0)
        graph.add("ArgMax", "logits", name="action", axis=1, keepdims=0)
