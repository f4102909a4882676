"""A policy that looks its action up: a table of values, a row a state.

The numbers of an observation are whole, as a world with ``exact()`` says; others are
rounded and clipped, so that every observation has a row. In the ONNX file the table is
one Gather. There is nothing in it to compress.

Shapes: S seeds, B batch, O observation, N states, A actions.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tasks.nets.graph import Graph
from tasks.nets.policy import Policy

MOST = 2**24  # states: beyond it float32 cannot tell numbers of rows apart


class Table(nn.Module):
    """Values of every state and action.

    Attributes:
        values: (S, N, A), float32.
    """

    def __init__(self, stack: int, states: int, actions: int) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.zeros(stack, states, actions))

    def forward(self, row: Tensor) -> Tensor:
        """Rows (S, B) int64 -> their values (S, B, A)."""
        slices = torch.arange(len(self.values))[:, None]
        return self.values[slices, row]


class Tabular(Policy):
    """Observation -> the row of its state -> the action of the largest value.

    Args:
        table: Of N rows.
        sizes: How many whole numbers each number of an observation can be, (O,); N is
            their product, and the last one counts fastest.

    Raises:
        ValueError: If N is another number, or beyond 2^24.
    """

    def __init__(self, table: Table, sizes: Sequence[int]) -> None:
        _, states, actions = table.values.shape
        if states != int(np.prod(sizes)) or states > MOST:
            raise ValueError(f"{states} states for {list(sizes)} numbers")
        zeros, ones = torch.zeros(len(sizes)), torch.ones(len(sizes))
        super().__init__(zeros, ones, torch.zeros(actions), torch.ones(actions))
        self.table, self.sizes = table, tuple(sizes)
        self.strides = [
            int(np.prod(self.sizes[i + 1 :])) for i in range(len(self.sizes))
        ]

    @property
    def seeds(self) -> int:
        """S, the length of the stack."""
        return len(self.table.values)

    def step(
        self, inputs: Mapping[str, Tensor], carry: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Look up the values of B observations."""
        del carry
        highest = torch.tensor(self.sizes, dtype=torch.float32) - 1
        x = inputs["observation"].clamp(min=0).minimum(highest).round()
        row = (x * torch.tensor(self.strides, dtype=torch.float32)).sum(-1).long()
        logits: Tensor = self.table(row)
        return {"action": logits.argmax(-1), "logits": logits}, {}

    def outputs(self) -> dict[str, int | None]:
        """``action``, and the values as ``logits``."""
        return {"action": None, "logits": self.action_width}

    def spec(self) -> dict[str, Any]:
        """Class and arguments, for policy.json."""
        return {
            "class": "tasks.nets.tabular.Tabular",
            "stack": self.seeds,
            "sizes": list(self.sizes),
            "actions": self.action_width,
        }

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> "Tabular":
        """A policy of the right shape, its table still zero."""
        states = int(np.prod(spec["sizes"]))
        return cls(Table(spec["stack"], states, spec["actions"]), spec["sizes"])

    def emit(self, graph: Graph, k: int) -> None:
        """Add seed slice ``k`` to a graph that has the observation."""
        highest = graph.constant("highest", np.array(self.sizes, np.float32) - 1)
        strides = graph.constant("strides", np.array(self.strides, np.float32))
        last = graph.constant("last_axis", np.array([1], np.int64))
        values = graph.constant("table.values", self.table.values[k])
        x = graph.add("Relu", "observation", name="from_zero")
        x = graph.add("Min", x, highest, name="inside")
        x = graph.add("Round", x, name="whole")
        x = graph.add("Mul", x, strides, name="parts")
        x = graph.add("ReduceSum", x, last, name="row", keepdims=0)
        x = graph.add("Cast", x, name="row_number", to=7)
        graph.add("Gather", values, x, name="logits", axis=0)
        graph.add("ArgMax", "logits", name="action", axis=1, keepdims=0)
