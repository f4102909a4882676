"""A feed-forward policy as one C99 file that needs math.h alone.

Each node of the graph becomes a loop over one row, in floats. Sums run in another order
than onnxruntime's, so that actions differ by rounding. Weights that the file keeps as
whole numbers stay whole numbers of one byte, and each sum is scaled once a block.
"""

import json
from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from offcut.errors import RefusedError
from offcut.graph import Node
from offcut.policy import Policy

LARGEST = 100_000  # bytes of the .onnx file
MEND = "act with offcut.Policy instead"
ELEMENTWISE = {  # of numbers x, y and z
    "Identity": "{x}",
    "Cast": "{x}",  # to float or to double, whose sums are of floats here
    "Relu": "{x} > 0.0f ? {x} : 0.0f",
    "Tanh": "tanhf({x})",
    "Exp": "expf({x})",
    "Add": "{x} + {y}",
    "Sub": "{x} - {y}",
    "Mul": "{x} * {y}",
    "Div": "{x} / {y}",
    "Greater": "{x} > {y} ? 1.0f : 0.0f",
    "Where": "{x} > 0.5f ? {y} : {z}",
    "Clip": "fminf(fmaxf({x}, {y}), {z})",
}
FOLDED = {"Mul": np.multiply, "Add": np.add, "Sub": np.subtract, "Div": np.divide}
RANGES = {2: (0, 255), 3: (-128, 127)}  # of codes, by ONNX type


class CProgram:
    """Translates a policy, node by node.

    Args:
        policy: Opened.

    Attributes:
        text: The source. ``offcut_act`` reads one row of each of the contract's inputs
            and writes the action: floats (A), or its number.

    Raises:
        RefusedError: If the file is larger than :data:`LARGEST`, carries something
            between steps, or has a node that is not translated.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy, contract = policy, policy.contract
        if (size := policy.path.stat().st_size) > LARGEST:
            self._refuse("size", f"{size} bytes", f"at most {LARGEST}")
        if contract["carry"]:
            self._refuse("carry", ", ".join(contract["carry"]), "nothing")
        self.constants = {n: t.array() for n, t in policy.model.tensors.items()}
        self.codes: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {}
        self.rows: dict[str, tuple[str, int]] = {  # by ONNX name: variable and width
            name: (f"in_{k}", entry["shape"][1])
            for k, (name, entry) in enumerate(contract["inputs"].items())
        }
        self.tables: list[str] = []
        self.body: list[str] = []
        for node in policy.model.nodes:
            if node.op == "Cast" and node.number("to", 0) not in (1, 11):
                self._untranslated(node)
            try:
                self._node(node)
            except (KeyError, ValueError, IndexError):  # of a form not foreseen
                self._untranslated(node)
        self.text = self._whole()

    def _refuse(self, field: str, value: object, expected: str) -> NoReturn:
        raise RefusedError(self.policy.path, field, value, expected, MEND)

    def _untranslated(self, node: Node) -> NoReturn:
        known = f"Gemm, ArgMax, Slice, Split, codes, {', '.join(ELEMENTWISE)}"
        self._refuse(f"node {node.name or node.op}", node.op, f"{known}, of one row")

    def _node(self, node: Node) -> None:
        """Compute a node of constants, or write its loop."""
        if all(name in self.constants for name in node.inputs):
            self._fold(node)
        elif node.op in ELEMENTWISE:
            self._elementwise(node)
        elif node.op == "Gemm":
            self._product(node)
        elif node.op == "Slice":
            first, last, axis = (int(self.constants[n][0]) for n in node.inputs[1:4])
            source, width = self.rows[node.inputs[0]]
            if axis not in (1, -1) or len(node.inputs) > 4 or not 0 <= first < last:
                self._untranslated(node)
            self._loop(node, min(last, width) - first, f"{source}[i + {first}]")
        elif node.op == "Split":
            self._split(node)
        elif node.op == "QuantizeLinear":
            scale, zero, kind = self._scale(node)
            low, high = RANGES[kind]
            value = f"rintf({self._at(node.inputs[0])} / {scale}) + {zero}"
            value = f"fminf(fmaxf({value}, {low}), {high})"
            self._loop(node, self.rows[node.inputs[0]][1], value)
        elif node.op == "DequantizeLinear":
            scale, zero, _ = self._scale(node)
            value = f"({self._at(node.inputs[0])} - {zero}) * {scale}"
            self._loop(node, self.rows[node.inputs[0]][1], value)
        elif node.op == "ArgMax" and node.number("axis", 0) in (1, -1):
            source, width = self.rows[node.inputs[0]]
            self._loop(node, 1, "0.0f")
            out = self.rows[node.outputs[0]][0]
            self.body.append(
                f"    for (int i = 1; i < {width}; i++)\n"
                f"        if ({source}[i] > {source}[(int){out}[0]]) {out}[0] = i;"
            )
        else:
            self._untranslated(node)

    def _fold(self, node: Node) -> None:
        """Compute a node whose inputs are all constants."""
        values, out = [self.constants[name] for name in node.inputs], node.outputs[0]
        if node.op == "DequantizeLinear":
            codes, scale = values[0].astype(np.int64), values[1].astype(np.float32)
            axis, block = int(node.number("axis", 1)), int(node.number("block_size", 0))
            zero = np.zeros_like(scale, np.int64)
            if len(values) > 2:
                zero = values[2].astype(np.int64)
            zero, wide = (_spread(v, codes.shape, axis, block) for v in (zero, scale))
            codes = codes - zero
            self.constants[out] = codes.astype(np.float32) * wide
            if codes.ndim == 2 and np.abs(codes).max(initial=0) < 128:
                self.codes[out] = codes.astype(np.int8), wide
        elif node.op == "Cast":
            self.constants[out] = values[0].astype(np.float32)
        else:
            folded = FOLDED[node.op](*values)
            self.constants[out] = np.asarray(folded, np.float32)

    def _split(self, node: Node) -> None:
        """Cut a row into parts, of the sizes stated or all alike."""
        source, width = self.rows[node.inputs[0]]
        if node.number("axis", 0) not in (1, -1):
            self._untranslated(node)
        parts = len(node.outputs)
        sizes = [width // parts] * parts
        if len(node.inputs) > 1:
            sizes = [int(size) for size in self.constants[node.inputs[1]]]
        if sum(sizes) != width or len(sizes) != parts:
            self._untranslated(node)
        for k, (name, size) in enumerate(zip(node.outputs, sizes, strict=True)):
            self._loop(node, size, f"{source}[i + {sum(sizes[:k])}]", name)

    def _loop(self, node: Node, width: int, value: str, out: str = "") -> None:
        """Write a loop that gives a node's row, by default its only output."""
        name = f"v{len(self.rows)}"
        self.rows[out or node.outputs[0]] = name, width
        self.body.append(
            f"    float {name}[{width}];\n"
            f"    for (int i = 0; i < {width}; i++) {name}[i] = {value};"
        )

    def _elementwise(self, node: Node) -> None:
        widths = [self.rows[n][1] for n in node.inputs if n in self.rows]
        parts = dict(zip("xyz", map(self._at, node.inputs), strict=False))
        self._loop(node, max(widths), ELEMENTWISE[node.op].format(**parts))

    def _at(self, name: str) -> str:
        """Element i of a row or constant; of a single number that number."""
        if name in self.rows:
            variable, width = self.rows[name]
            return f"{variable}[{'0' if width == 1 else 'i'}]"
        values = self.constants[name].reshape(-1)
        if len(values) == 1:
            return _number(values[0])
        return f"{self._table(values, 'float')}[i]"

    def _scale(self, node: Node) -> tuple[str, str, int]:
        """Scale, zero and type of the codes of a row, the same for all its numbers."""
        scale, zero = (self.constants[name].reshape(-1) for name in node.inputs[1:3])
        if len(scale) != 1 or len(zero) != 1:
            self._untranslated(node)
        kind = self.policy.model.tensors[node.inputs[2]].kind
        return _number(scale[0]), _number(zero[0]), kind

    def _product(self, node: Node) -> None:
        """A layer: weights (N, K) times the row of K, and the bias (N)."""
        plain = node.number("alpha", 1) == node.number("beta", 1) == 1
        if not plain or node.number("transA", 0) or len(node.inputs) != 3:
            self._untranslated(node)
        (source, width), name = self.rows[node.inputs[0]], node.inputs[1]
        turned = bool(node.number("transB", 0))
        weights = self.constants[name] if turned else self.constants[name].T
        bias = self._table(self.constants[node.inputs[2]].reshape(-1), "float")
        if weights.shape[1] != width:
            self._untranslated(node)
        block, scale = width, ""
        if name in self.codes:
            codes, wide = (x if turned else x.T for x in self.codes[name])
            block = _block(wide)
            table = self._table(codes, "int8_t")
            factors = self._table(wide[:, ::block], "float")
            scale = f"{factors}[i * {-(-width // block)} + b / {block}] * "
        else:
            table = self._table(weights, "float")
        out = f"v{len(self.rows)}"
        self.rows[node.outputs[0]] = out, len(weights)
        self.body.append(
            f"    float {out}[{len(weights)}];\n"
            f"    for (int i = 0; i < {len(weights)}; i++) {{\n"
            f"        float sum = {bias}[i];\n"
            f"        for (int b = 0; b < {width}; b += {block}) {{\n"
            f"            float part = 0.0f;\n"
            f"            for (int k = b; k < b + {block} && k < {width}; k++)\n"
            f"                part += {source}[k] * {table}[i * {width} + k];\n"
            f"            sum += {scale}part;\n"
            f"        }}\n"
            f"        {out}[i] = sum;\n"
            f"    }}"
        )

    def _table(self, values: NDArray[Any], kind: str) -> str:
        """The name of a constant array with these numbers, row by row."""
        name, flat = f"t{len(self.tables)}", values.reshape(-1)
        said = map(_number, flat) if kind == "float" else map(str, flat.tolist())
        lines = "\n".join(_lines(said))
        self.tables.append(
            f"static const {kind} {name}[{len(flat)}] = {{\n{lines}\n}};"
        )
        return name

    def _whole(self) -> str:
        """The file: the contract, constants, and the function."""
        contract = self.policy.contract
        inputs = [f"const float *{self.rows[name][0]}" for name in contract["inputs"]]
        action = contract["outputs"]["action"]
        given, width = self.rows["action"]
        kind = "int" if "n" in action else "float"
        named = ", ".join(
            f"in_{k}: {name} ({entry['shape'][1]})"
            for k, (name, entry) in enumerate(contract["inputs"].items())
        )
        text = json.dumps(contract, indent=1, sort_keys=True)
        return "\n".join(
            [
                f"/* A policy that Offcut exported, in C99. {_comment(named)};",
                f"   out: action ({width}). Its contract:",
                f"{_comment(text)} */",
                "#include <math.h>",
                "#include <stdint.h>",
                "",
                *self.tables,
                "",
                f"void offcut_act({', '.join(inputs)}, {kind} *out)",
                "{",
                *self.body,
                f"    for (int i = 0; i < {width}; i++) out[i] = ({kind}){given}[i];",
                *(f"    (void)in_{k};" for k in range(len(inputs))),
                "}",
                "",
            ]
        )


def _spread(
    values: NDArray[Any], shape: tuple[int, ...], axis: int, block: int
) -> NDArray[Any]:
    """Scales or zero points as one number for each of the codes."""
    if block:
        cut = [slice(size) for size in shape]
        return np.repeat(values, block, axis)[tuple(cut)]
    if values.size > 1:
        values = values.reshape([-1 if k == axis else 1 for k in range(len(shape))])
    return np.broadcast_to(values, shape)


def _block(wide: NDArray[Any]) -> int:
    """How many numbers of a row share a scale; the blocks of all rows are as long."""
    changes = np.flatnonzero((wide[:, 1:] != wide[:, :-1]).any(axis=0)) + 1
    return int(np.gcd.reduce(changes)) if len(changes) else wide.shape[1]


def _number(value: Any) -> str:
    """A float of C with all its bits."""
    text = f"{float(np.float32(value)):.9g}"
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"


def _comment(text: str) -> str:
    """Text that cannot end a comment, nor hold what a compiler reads before it."""
    return text.translate(dict.fromkeys(map(ord, "*\\?"), "_"))


def _lines(words: Iterable[str]) -> list[str]:
    """Words with commas, ten a line."""
    listed = list(words)
    return [", ".join(listed[k : k + 10]) + "," for k in range(0, len(listed), 10)]
