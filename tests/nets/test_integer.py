"""Integer layers with static scales: in onnxruntime the same numbers."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto
from torch import Tensor

from tasks.nets.graph import Graph
from tasks.nets.integer import IntegerLinear
from tasks.nets.layers import in_double
from tasks.nets.policy import build_layer
from tests.nets.harness import run_layer


class Wide:
    """The layer in a graph of float64, as a policy has it."""

    def __init__(self, layer: IntegerLinear) -> None:
        self.layer, self.inputs, self.outputs = layer, layer.inputs, layer.outputs

    def emit(self, graph: Graph, x: str, k: int, name: str) -> str:
        with graph.in_double([x], [f"{name}.out"]):
            return self.layer.emit(graph, x, k, name)


def layer(
    bits: int, activation_bits: int, inputs: int = 11, parts: tuple[int, ...] = ()
) -> IntegerLinear:
    """Two seeds of random codes, every channel with a zero point of its own."""
    draw = torch.Generator().manual_seed(bits)
    made = IntegerLinear(2, inputs, 7, bits, activation_bits, parts)
    top, most = 2**bits, 2**activation_bits
    shape = (2, inputs, 7)
    made.codes = torch.randint(top, shape, generator=draw, dtype=torch.uint8)
    made.centre.copy_(torch.randint(top, (2, 7), generator=draw))
    made.step.uniform_(0.02, 0.2, generator=draw)
    made.zero.copy_(torch.randint(most, made.zero.shape, generator=draw))
    made.scale.uniform_(0.01, 0.1, generator=draw)
    made.bias.normal_(generator=draw)
    return made


def run(made: IntegerLinear, x: Tensor) -> Tensor:
    """In float64, rounded to float32 at the end."""

    def step(given: dict[str, Tensor]) -> tuple[dict[str, Tensor]]:
        return ({"y": made(given["x"])},)

    return in_double(made, step, {"x": x})[0]["y"]


@pytest.mark.parametrize("mode", ["exact", "native"])
@pytest.mark.parametrize("parts", [(), (2, 5, 4)])
@pytest.mark.parametrize(("bits", "activation_bits"), [(8, 8), (5, 3), (4, 8), (2, 2)])
def test_onnxruntime_gives_the_same_numbers(
    bits: int, activation_bits: int, parts: tuple[int, ...], mode: str
):
    made = layer(bits, activation_bits, parts=parts)
    x = 3 * torch.randn(33, 11, generator=torch.Generator().manual_seed(1))
    wanted = run(made, x.expand(2, -1, -1))
    for k in range(2):
        got = run_layer(Wide(made), x.numpy(), k, mode)
        assert np.array_equal(got, wanted[k].numpy())


def test_it_is_the_equation_of_its_docstring():
    made = layer(6, 5, parts=(2, 9))
    x = torch.randn(2, 4, 11, generator=torch.Generator().manual_seed(2))
    wanted = np.zeros((2, 4, 7))
    for k in range(2):
        for n in range(7):
            wanted[k, :, n] = made.bias[k, n]
            for i in range(11):
                p = int(i >= 2)
                step, zero = float(made.step[k, p]), int(made.zero[k, p])
                q = np.clip(np.round(x[k, :, i].numpy() / step) + zero, 0, 31)
                w = int(made.codes[k, i, n]) - int(made.centre[k, n])
                wanted[k, :, n] += (q - zero) * w * float(made.scale[k, p, n])
    np.testing.assert_allclose(run(made, x).numpy(), wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(made(x).numpy(), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 8])
def test_codes_are_stored_in_four_or_eight_bits(bits: int):
    made = layer(bits, 8)
    codes = torch.randint(2**bits, (2, 11, 7), dtype=torch.uint8)
    made.codes = codes
    assert torch.equal(made.codes, codes)
    assert made.packed.numel() == 2 * (39 if bits <= 4 else 77)
    again = build_layer(made.spec(), 2)
    again.load_state_dict(made.state_dict())
    x = torch.randn(2, 3, 11)
    assert torch.equal(again(x), made(x))


def test_parts_survive_their_spec():
    made = build_layer(layer(8, 8, parts=(2, 5, 4)).spec(), 2)
    assert made.parts == [2, 5, 4]
    assert made.step.shape == (2, 3)


def test_the_product_is_of_whole_numbers_in_the_file_too(tmp_path: Path):
    file = tmp_path / "optimised.onnx"
    made = layer(4, 8, 64)
    run_layer(Wide(made), np.zeros((1, 64), np.float32), 0, "native", str(file))
    graph = onnx.load(file).graph
    products = [n for n in graph.node if n.op_type.startswith(("MatMul", "Gemm"))]
    assert [node.op_type for node in products] == ["MatMulInteger"]
    kinds = {t.name: t.data_type for t in graph.initializer}
    assert kinds[products[0].input[1]] == TensorProto.UINT8  # unpacked at the start


def test_a_search_sees_through_the_rounding():
    made = layer(8, 8)
    made.zero.fill_(128)
    x = torch.zeros(2, 1, 11, requires_grad=True)
    made(x).sum().backward()
    weight = (made.codes.float() - made.centre[:, None]) * made.scale
    wanted = (weight / made.step[..., None]).sum(-1)
    assert x.grad is not None
    torch.testing.assert_close(x.grad[:, 0], wanted)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"bits": 1}, "known are 2 to 8"),
        ({"activation_bits": 9}, "known are 2 to 8"),
        ({"parts": (3, 3)}, "of 11 inputs"),
    ],
)
def test_what_it_does_not_know_is_an_error(changed: dict[str, Any], message: str):
    given = {"bits": 8, "activation_bits": 8, "parts": ()} | changed
    with pytest.raises(ValueError, match=message):
        IntegerLinear(1, 11, 7, **given)


def test_a_graph_of_float32_is_refused():
    with pytest.raises(ValueError, match="not the same everywhere"):
        layer(8, 8).emit(Graph(), "x", 0, "layer0")
