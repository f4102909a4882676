"""A small Llama of characters: RMSNorm, rotary positions, SwiGLU, no bias.

Touvron et al. 2023 (arXiv 2302.13971), with Su et al. 2021 (arXiv 2104.09864) and
Shazeer 2020 (arXiv 2002.05202). Embedding and head are two tables, both float; what is
between them is made by the caller, float or of few bits. Token rows lie as in
``attention.py``: (S, B*T, W).
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tasks.nets.attention import DEVIATION, HIDDEN, Embedding
from tasks.nets.graph import Graph
from tasks.nets.layers import in_double

EPSILON = 1e-5  # of RMSNorm
BASE = 10_000.0  # of the rotations' wave lengths
Make = Callable[[int, int, int], nn.Module]  # (S, inputs, outputs) -> a layer


class Plain(nn.Module):
    """A float layer without bias.

    Args:
        stack: Leading axis S.
        inputs: Input width I.
        outputs: Output width N.
    """

    def __init__(self, stack: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.stack, self.inputs, self.outputs = stack, inputs, outputs
        self.weight = nn.Parameter(torch.zeros(stack, inputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(S, B, I) -> (S, B, N)."""
        return torch.bmm(x, self.weight)

    def emit(self, graph: Graph, x: str, k: int, name: str) -> str:
        """Add slice ``k``."""
        weight = graph.constant(f"{name}.weight", self.weight[k])
        return graph.add("MatMul", x, weight, name=f"{name}.out")


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + 1e-5) * weight.

    Args:
        stack: Leading axis S.
        units: W.
    """

    def __init__(self, stack: int, units: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(stack, 1, units))

    def forward(self, x: Tensor) -> Tensor:
        """(S, B, W) -> the same."""
        mean = x.square().mean(-1, keepdim=True)
        return x * (mean + EPSILON).rsqrt() * self.weight

    def emit(self, graph: Graph, x: str, k: int, name: str) -> str:
        """Add slice ``k``: (B, W) -> the same."""
        add, units = graph.add, self.weight.shape[-1]
        axis = graph.shared("last_axis", torch.tensor([-1]))
        y = add("ReduceSumSquare", x, axis, name=f"{name}.squares")
        share = graph.scalar(f"{name}.share", 1 / units)
        y = add("Mul", y, share, name=f"{name}.mean")
        y = add("Add", y, graph.scalar(f"{name}.tiny", EPSILON), name=f"{name}.raised")
        y = add("Div", x, add("Sqrt", y, name=f"{name}.root"), name=f"{name}.unit")
        weight = graph.constant(f"{name}.weight", self.weight[k, 0])
        return add("Mul", y, weight, name=f"{name}.out")


class Layer(nn.Module):
    """x + attention(norm(x)), then x + down(silu(gate(h)) * up(h)), h = norm(x).

    Args:
        stack: Leading axis S.
        width: W.
        heads: Divides W; W / heads is even.
        hidden: Units of the gated part.
        make: Makes its five layers: q, k and v as one, out, gate, up, down.
    """

    def __init__(
        self, stack: int, width: int, heads: int, hidden: int, make: Make
    ) -> None:
        super().__init__()
        self.width, self.heads = width, heads
        self.norm1, self.norm2 = RMSNorm(stack, width), RMSNorm(stack, width)
        self.project: Any = make(stack, width, 3 * width)
        self.out: Any = make(stack, width, width)
        self.gate: Any = make(stack, width, hidden)
        self.up: Any = make(stack, width, hidden)
        self.down: Any = make(stack, hidden, width)

    def forward(self, x: Tensor, waves: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        """(S, B*T, W) -> the same.

        Args:
            x: Token rows.
            waves: Cosines and signed sines, (T, W / heads) each.
            mask: Added to the scores, (T, T).
        """
        stack, tokens, inner = len(x), len(mask), self.width // self.heads
        rows = self.project(self.norm1(x)).view(-1, tokens, 3, self.heads, inner)
        q, k, v = rows.permute(2, 0, 3, 1, 4)  # (S*B, heads, T, inner) each
        scores = turned(q, waves) @ turned(k, waves).mT * inner**-0.5 + mask
        mixed = (scores.softmax(-1) @ v).transpose(1, 2)
        x = x + self.out(mixed.reshape(stack, -1, self.width))
        h = self.norm2(x)
        return x + self.down(functional.silu(self.gate(h)) * self.up(h))

    def emit(self, graph: Graph, x: str, k: int, name: str, tokens: int) -> str:
        """Add slice ``k``: (B*T, W) -> the same."""
        add, inner = graph.add, self.width // self.heads
        h = self.norm1.emit(graph, x, k, f"{name}.norm1")
        y = self.project.emit(graph, h, k, f"{name}.project")
        shape = torch.tensor([-1, tokens, 3, self.heads, inner])
        y = add("Reshape", y, graph.shared("split", shape), name=f"{name}.split")
        y = add("Transpose", y, name=f"{name}.parts", perm=[2, 0, 3, 1, 4])
        q, key, v = (
            add("Gather", y, graph.scalar(f"{name}.{i}", i), name=f"{name}.{part}")
            for i, part in enumerate("qkv")
        )
        q, key = (emit_turned(graph, z, inner) for z in (q, key))
        key = add("Transpose", key, name=f"{name}.keys", perm=[0, 1, 3, 2])
        y = add("MatMul", q, key, name=f"{name}.products")
        scale = graph.scalar(f"{name}.scale", inner**-0.5)
        y = add("Mul", y, scale, name=f"{name}.scaled")
        y = add("Add", y, "mask", name=f"{name}.scores")
        y = add("Softmax", y, name=f"{name}.shares", axis=-1)
        y = add("MatMul", y, v, name=f"{name}.mixed_heads")
        y = add("Transpose", y, name=f"{name}.mixed", perm=[0, 2, 1, 3])
        rows = graph.shared("rows", torch.tensor([-1, self.width]))
        y = add("Reshape", y, rows, name=f"{name}.rows")
        y = self.out.emit(graph, y, k, f"{name}.attention")
        x = add("Add", x, y, name=f"{name}.attended")
        h = self.norm2.emit(graph, x, k, f"{name}.norm2")
        y = self.gate.emit(graph, h, k, f"{name}.gate")
        y = add("Mul", y, add("Sigmoid", y, name=f"{name}.open"), name=f"{name}.silu")
        h = self.up.emit(graph, h, k, f"{name}.up")
        y = add("Mul", y, h, name=f"{name}.gated")
        y = self.down.emit(graph, y, k, f"{name}.down")
        return add("Add", x, y, name=f"{name}.out")


class CharacterModel(nn.Module):
    """T characters -> logits of the next one at each.

    Args:
        stack: Leading axis S.
        symbols: V, characters known.
        width: W.
        heads: Divides W.
        layers: How many.
        context: T.
        make: Makes the layers between embedding and head.
    """

    def __init__(
        self,
        stack: int,
        symbols: int,
        width: int,
        heads: int,
        layers: int,
        context: int,
        make: Make = Plain,
    ) -> None:
        super().__init__()
        self.stack, self.symbols, self.context = stack, symbols, context
        self.inner = width // heads
        hidden = -(-8 * width // 3 // 256) * 256  # 8/3 W, rounded up to 256
        self.embed = Embedding(stack, symbols, width)
        self.layers: Any = nn.ModuleList(
            Layer(stack, width, heads, hidden, make) for _ in range(layers)
        )
        self.norm = RMSNorm(stack, width)
        self.head = Plain(stack, width, symbols)
        sees = torch.ones(context, context).tril()
        self.mask: Tensor
        self.register_buffer("mask", (1 - sees) * HIDDEN, persistent=False)

    def between(self) -> dict[str, Any]:
        """The layers between embedding and head, by name."""
        parts = ("project", "out", "gate", "up", "down")
        return {
            f"layers.{i}.{part}": getattr(layer, part)
            for i, layer in enumerate(self.layers)
            for part in parts
        }

    def initialise(self, generators: Sequence[torch.Generator]) -> None:
        """Draw N(0, 0.02), for what is added to the rows / sqrt(2 layers).

        Args:
            generators: One a slice.
        """
        less = (2 * len(self.layers)) ** -0.5
        layers = {"embed": self.embed, **self.between(), "head": self.head}
        with torch.no_grad():
            for name, layer in layers.items():
                added = name.endswith((".out", ".down"))
                for part, draw in zip(layer.weight, generators, strict=True):
                    part.normal_(0, DEVIATION * (less if added else 1), generator=draw)

    def forward(self, tokens: Tensor) -> Tensor:
        """(S, B, T) int64 -> logits (S, B, T, V)."""
        x = self.embed(tokens).flatten(1, 2)
        cosines, sines = rotations(self.context, self.inner)
        waves = cosines.to(x.dtype), sines.to(x.dtype)
        for layer in self.layers:
            x = layer(x, waves, self.mask)
        return self.head(self.norm(x)).view(*tokens.shape, self.symbols)

    def exact(self, tokens: Tensor) -> Tensor:
        """What :meth:`emit` writes: the same in float64; float32 logits."""

        def call() -> tuple[dict[str, Tensor]]:
            return ({"logits": self(tokens)},)

        logits: Tensor = in_double(self, call)[0]["logits"]
        return logits

    def emit(self, graph: Graph, k: int) -> None:
        """Add slice ``k``: ``tokens`` (B, T) int64 -> ``logits`` (B, T, V) float32."""
        add = graph.add
        with graph.in_double([], ["logits"]):
            graph.constant("mask", self.mask)
            self._emit_waves(graph)
            x = self.embed.emit(graph, "tokens", k, "embed")
            shape = torch.tensor([-1, self.embed.width])
            x = add("Reshape", x, graph.shared("rows", shape), name="token_rows")
            for i, layer in enumerate(self.layers):
                x = layer.emit(graph, x, k, f"layer{i}", self.context)
            x = self.head.emit(graph, self.norm.emit(graph, x, k, "norm"), k, "head")
            shape = torch.tensor([-1, self.context, self.symbols])
            add("Reshape", x, graph.shared("characters", shape), name="logits")

    def _emit_waves(self, graph: Graph) -> None:
        """``cosines`` and ``sines``, computed as the file is opened."""
        add = graph.add
        times = graph.constant("times", torch.arange(float(self.context))[:, None])
        turn = graph.constant("paces", paces(self.inner))
        angles = add("Mul", times, turn, name="angles")
        add("Cos", angles, name="cosines")
        sines = add("Sin", angles, name="plain_sines")
        add("Mul", sines, graph.constant("signs", signs(self.inner)), name="sines")


def paces(inner: int) -> Tensor:
    """Radians a position, of each of the pairs, twice: (inner,), float32."""
    return torch.tensor([BASE ** (-2 * i / inner) for i in range(inner // 2)] * 2)


def signs(inner: int) -> Tensor:
    """-1 of the first half, 1 of the second: (inner,)."""
    return torch.tensor([-1.0, 1.0]).repeat_interleave(inner // 2)


@cache
def rotations(tokens: int, inner: int) -> tuple[Tensor, Tensor]:
    """Cosines, and sines with the sign of their half: (T, inner) each, float64."""
    angles = torch.arange(float(tokens))[:, None].double() * paces(inner).double()
    return angles.cos(), angles.sin() * signs(inner)


def turned(x: Tensor, waves: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate the pairs (i, i + inner / 2) by their position: (..., T, inner)."""
    cosines, sines = waves
    return x * cosines + x.roll(x.shape[-1] // 2, -1) * sines


def emit_turned(graph: Graph, x: str, inner: int) -> str:
    """What :func:`turned` does."""
    add, half = graph.add, inner // 2
    order = torch.arange(inner).roll(half)
    y = add("Gather", x, graph.shared("roll", order), name=f"{x}_rolled", axis=-1)
    y = add("Mul", y, "sines", name=f"{x}_sines")
    x_cos = add("Mul", x, "cosines", name=f"{x}_cosines")
    return add("Add", x_cos, y, name=f"{x}_turned")
