"""Stacked parts of a transformer: embedding and pre-norm block.

Tokens lie row after row: x is (S, B*T, W), T tokens of each of B sequences. So every
layer but attention itself is a product over rows, as ``layers.Linear`` takes them, and
one that holds integers can stand in its place.

Source: Vaswani et al. 2017 (arXiv 1706.03762), with the LayerNorm before each part as
GPT-2 has it (Radford et al. 2019), without its positional embedding.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tasks.nets.graph import Graph
from tasks.nets.layers import LayerNorm, Linear

HIDDEN = -1e30  # score of a key that must not be seen: its weight is exactly 0
DEVIATION = 0.02  # of weights at the start, as GPT-2 and the reference code draw them

Drop = Callable[[Tensor], Tensor]  # dropout: (S, ...) -> (S, ...)


def keep_all(x: Tensor) -> Tensor:
    """No dropout."""
    return x


class Embedding(nn.Module):
    """A learned row a number.

    Args:
        stack: Leading axis S.
        count: M, numbers known: 0..M-1.
        width: W.
    """

    def __init__(self, stack: int, count: int, width: int) -> None:
        super().__init__()
        self.count, self.width = count, width
        self.weight = nn.Parameter(torch.zeros(stack, count, width))

    def forward(self, index: Tensor) -> Tensor:
        """(S, ...) int64 -> (S, ..., W)."""
        stack = len(self.weight)
        count, device = self.count, index.device
        first = torch.arange(0, stack * count, count, device=device)
        index = index + first.view(-1, *[1] * (index.ndim - 1))
        return functional.embedding(index, self.weight.flatten(0, 1))

    def emit(self, graph: Graph, index: str, k: int, name: str) -> str:
        """Add slice ``k``: (...) int64 -> (..., W)."""
        table = graph.constant(f"{name}.weight", self.weight[k])
        return graph.add("Gather", table, index, name=f"{name}.out", axis=0)


class Block(nn.Module):
    """x + attention(norm(x)), then x + MLP(norm(x)), the MLP 4 W wide with GELU.

    The last block of a network may be asked for some tokens alone; it then has layers
    of its own for queries, and computes nothing for the other tokens but what is seen
    of them.

    Args:
        stack: Leading axis S.
        width: W.
        heads: Divides W.
        last: Whether it gives some tokens alone.
        gelu: ``none``, or ``tanh`` for the approximation torch calls so, which
            onnxruntime can compute in float64.
    """

    def __init__(
        self, stack: int, width: int, heads: int, *, last: bool, gelu: str = "none"
    ) -> None:
        super().__init__()
        self.width, self.heads, self.last, self.gelu = width, heads, last, gelu
        self.norm1 = LayerNorm(stack, width)
        self.query: Any = Linear(stack, width, width) if last else None
        parts = 2 if last else 3
        self.project: Any = Linear(stack, width, parts * width)  # (q,) k, v
        self.out: Any = Linear(stack, width, width)
        self.norm2 = LayerNorm(stack, width)
        self.up: Any = Linear(stack, width, 4 * width)
        self.down: Any = Linear(stack, 4 * width, width)

    def forward(
        self, x: Tensor, tokens: int, mask: Tensor, pick: slice, drop: Drop = keep_all
    ) -> Tensor:
        """(S, B*T, W) -> (S, B*P, W).

        Args:
            x: Token rows.
            tokens: T.
            mask: Added to the scores, 0 or ``HIDDEN``; (P, T), or (S*B*heads, P, T).
            pick: P of the T tokens; all of them where this block is not the last.
            drop: Dropout, on attention weights and on what is added to x.
        """
        h = self.norm1(x)
        if self.last:
            k, v = self._split(self.project(h), 2, tokens)
            x, h = (picked(y, tokens, pick) for y in (x, h))
            (q,) = self._split(self.query(h), 1, len(range(tokens)[pick]))
        else:
            q, k, v = self._split(self.project(h), 3, tokens)
        x = x + drop(self.out(self._attend(q, k, v, mask, len(x), drop)))
        up = functional.gelu(self.up(self.norm2(x)), approximate=self.gelu)
        return x + drop(self.down(up))

    def _split(self, x: Tensor, parts: int, tokens: int) -> Sequence[Tensor]:
        """(S, B*T, parts * W) -> parts of (S*B*heads, T, W / heads)."""
        inner = self.width // self.heads
        split = x.view(-1, tokens, parts, self.heads, inner).permute(2, 0, 3, 1, 4)
        return [part.reshape(-1, tokens, inner) for part in split]

    def _attend(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor, stack: int, drop: Drop
    ) -> Tensor:
        """Softmax of scaled products; -> (S, B*P, W)."""
        scale = q.shape[-1] ** -0.5
        scores = torch.baddbmm(mask, q, k.transpose(1, 2), alpha=scale)
        weights = drop(scores.softmax(-1).view(stack, -1)).view(scores.shape)
        mixed = torch.bmm(weights, v).view(-1, self.heads, *q.shape[1:])
        return mixed.transpose(1, 2).reshape(stack, -1, self.width)

    def initialise(self, generators: Sequence[torch.Generator]) -> None:
        """Draw all weights as :func:`normal` does."""
        layers = (self.query, self.project, self.out, self.up, self.down)
        for layer in layers:
            if layer is not None:
                normal(layer, generators)

    def emit(
        self, graph: Graph, x: str, k: int, name: str, tokens: int, mask: str, pick: int
    ) -> str:
        """Add slice ``k``: (B*T, W) -> the same, or (B, W) of token ``pick``.

        Args:
            graph: Where to.
            x: Token rows.
            k: The slice.
            name: Of the block.
            tokens: T.
            mask: (B, 1, T, T) or, of the last block, (B, 1, 1, T).
            pick: The one token the last block gives.
        """
        h = self.norm1.emit(graph, x, k, f"{name}.norm1")
        y = self.project.emit(graph, h, k, f"{name}.project")
        if self.last:
            keys, values = self._emit_split(graph, y, f"{name}_kv", 2, tokens)
            x, h = (
                emit_token(graph, y, self.width, tokens, pick, f"{name}_{part}")
                for y, part in ((x, "x"), (h, "h"))
            )
            y = self.query.emit(graph, h, k, f"{name}.query")
            (queries,) = self._emit_split(graph, y, f"{name}_q", 1, 1)
        else:
            split = self._emit_split(graph, y, f"{name}_qkv", 3, tokens)
            queries, keys, values = split
        y = self._emit_attend(graph, queries, keys, values, mask, name)
        y = self.out.emit(graph, y, k, f"{name}.attention")
        x = graph.add("Add", x, y, name=f"{name}.attended")
        y = self.norm2.emit(graph, x, k, f"{name}.norm2")
        y = self.up.emit(graph, y, k, f"{name}.up")
        if self.gelu == "tanh":
            y = emit_gelu(graph, y, f"{name}.gelu")
        else:
            y = graph.add("Gelu", y, name=f"{name}.gelu")
        y = self.down.emit(graph, y, k, f"{name}.down")
        return graph.add("Add", x, y, name=f"{name}.out")

    def _emit_split(
        self, graph: Graph, x: str, name: str, parts: int, tokens: int
    ) -> list[str]:
        """(B*T, parts * W) -> parts of (B, heads, T, W / heads)."""
        inner = self.width // self.heads
        shape = torch.tensor([-1, tokens, parts, self.heads, inner])
        x = graph.add(
            "Reshape", x, graph.constant(f"{name}_shape", shape), name=f"{name}_rows"
        )
        x = graph.add("Transpose", x, name=f"{name}_heads", perm=[2, 0, 3, 1, 4])
        return [
            graph.add(
                "Gather",
                x,
                graph.scalar(f"{name}_part{i}", i),
                name=f"{name}{i}",
                axis=0,
            )
            for i in range(parts)
        ]

    def _emit_attend(
        self, graph: Graph, q: str, k: str, v: str, mask: str, name: str
    ) -> str:
        """(B, heads, P or T, W / heads) each -> (B*P, W)."""
        scale = graph.scalar(f"{name}_scale", (self.width // self.heads) ** -0.5)
        q = graph.add("Mul", q, scale, name=f"{name}.scaled")
        k = graph.add("Transpose", k, name=f"{name}.keys", perm=[0, 1, 3, 2])
        x = graph.add("MatMul", q, k, name=f"{name}.products")
        x = graph.add("Add", x, mask, name=f"{name}.scores")
        x = graph.add("Softmax", x, name=f"{name}.weights", axis=-1)
        x = graph.add("MatMul", x, v, name=f"{name}.mixed_heads")
        x = graph.add("Transpose", x, name=f"{name}.mixed", perm=[0, 2, 1, 3])
        shape = graph.constant(f"{name}_rows", torch.tensor([-1, self.width]))
        return graph.add("Reshape", x, shape, name=f"{name}.rows")


def emit_gelu(graph: Graph, x: str, name: str) -> str:
    """GELU's tanh form: x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2."""
    add = graph.add
    y = add("Mul", x, x, name=f"{name}_square")
    y = add("Mul", y, x, name=f"{name}_cube")
    y = add("Mul", y, graph.scalar(f"{name}_a", 0.044715), name=f"{name}_bent")
    y = add("Add", y, x, name=f"{name}_sum")
    root = graph.scalar(f"{name}_b", math.sqrt(2 / math.pi))
    y = add("Tanh", add("Mul", y, root, name=f"{name}_z"), name=f"{name}_tanh")
    y = add("Add", y, graph.scalar(f"{name}_one", 1.0), name=f"{name}_raised")
    y = add("Mul", y, graph.scalar(f"{name}_half", 0.5), name=f"{name}_share")
    return add("Mul", x, y, name=name)


def picked(x: Tensor, tokens: int, pick: slice) -> Tensor:
    """Some tokens' rows: (S, B*T, W) -> (S, B*P, W)."""
    rows = x.view(len(x), -1, tokens, x.shape[-1])[:, :, pick]
    return rows.reshape(len(x), -1, x.shape[-1])


def emit_token(
    graph: Graph, x: str, width: int, tokens: int, token: int, name: str
) -> str:
    """One token of each sequence: (B*T, W) -> (B, W)."""
    shape = graph.constant(f"{name}_shape", torch.tensor([-1, tokens, width]))
    x = graph.add("Reshape", x, shape, name=f"{name}_tokens")
    at = graph.scalar(f"{name}_at", token)
    return graph.add("Gather", x, at, name=f"{name}_token", axis=1)


def normal(layer: Linear | Embedding, generators: Sequence[torch.Generator]) -> None:
    """Weights normal with deviation 0.02, slice by slice; biases stay zero."""
    with torch.no_grad():
        for part, draw in zip(layer.weight, generators, strict=True):
            part.normal_(0, DEVIATION, generator=draw)
