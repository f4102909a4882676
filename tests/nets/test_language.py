"""The character model: its parts by hand, its file in onnxruntime."""

import copy
import math
from functools import partial

import onnx
import onnxruntime
import pytest
import torch

from tasks.artifacts.seeding import generator
from tasks.beds.quest.arms import as_packed, model_of
from tasks.nets.language import CharacterModel, RMSNorm, rotations, turned
from tasks.nets.quest import Quest

torch.set_num_threads(1)


def model(bits: float | None = None, seeds: tuple[int, ...] = (0, 1)) -> CharacterModel:
    """Two layers of 32 units, 20 symbols, 12 characters; weights that matter."""
    more = {}
    if bits is not None:
        more["make"] = partial(Quest, bits=bits, block=16, bias=False)
    network = CharacterModel(len(seeds), 20, 32, 2, 2, 12, **more)
    network.initialise([generator(seed, "test") for seed in seeds])
    for layer in network.between().values():
        layer.weight.data.mul_(8)
    return network.requires_grad_(requires_grad=False)


def characters(count: int = 6) -> torch.Tensor:
    draw = torch.Generator().manual_seed(0)
    return torch.randint(20, (2, count, 12), generator=draw)


def test_a_character_sees_those_before_it_alone():
    network, tokens = model(), characters()
    other = tokens.clone()
    other[..., 8:] = (other[..., 8:] + 1) % 20
    before, after = network(tokens), network(other)
    assert torch.equal(before[:, :, :8], after[:, :, :8])
    assert not torch.equal(before[:, :, 8:], after[:, :, 8:])


def test_positions_turn_pairs_by_angles_that_fall_off():
    cosines, sines = rotations(5, 4)
    x = torch.tensor([1.0, 2.0, 3.0, 4.0]).double().expand(5, 4)
    y = turned(x, (cosines, sines))
    for t in range(5):
        for pair, pace in ((0, 1.0), (1, 0.01)):
            a, b = x[t, pair], x[t, pair + 2]
            c, s = math.cos(t * pace), math.sin(t * pace)
            assert float(y[t, pair]) == pytest.approx(float(a * c - b * s), rel=1e-6)
            assert float(y[t, pair + 2]) == pytest.approx(
                float(b * c + a * s), rel=1e-6
            )
    # products of turned rows depend on their distance alone
    q, k = (turned(torch.randn(4).double().expand(5, 4), rotations(5, 4)) for _ in "qk")
    assert float(q[3] @ k[1]) == pytest.approx(float(q[4] @ k[2]), rel=1e-6)


def test_norms_divide_by_the_root_mean_square():
    x = torch.tensor([[[3.0, 4.0]]])
    found = RMSNorm(1, 2)(x)
    assert found.flatten().tolist() == pytest.approx([3 / 12.5**0.5, 4 / 12.5**0.5])


def test_sizes_are_the_papers():
    network = CharacterModel(1, 96, 128, 2, 2, 64)
    widths = {name: x.outputs for name, x in network.between().items()}
    assert widths["layers.0.project"] == 384
    assert widths["layers.1.gate"] == widths["layers.1.up"] == 512  # 8/3 up to 256
    network.initialise([generator(0, "test")])
    network.requires_grad_(requires_grad=False)
    assert float(network.head.weight.std()) == pytest.approx(0.02, rel=0.1)
    assert float(network.layers[0].down.weight.std()) == pytest.approx(0.01, rel=0.1)
    assert not [name for name, _ in network.named_parameters() if "bias" in name]
    assert network.embed.weight is not network.head.weight  # nothing is tied


def test_seed_k_alone_is_seed_k_of_the_stack():
    both, alone = model(seeds=(0, 1)), model(seeds=(1,))
    torch.testing.assert_close(both(characters())[1:], alone(characters()[1:]))


@pytest.mark.parametrize("bits", [None, 1, 2, 4, 8])
def test_the_file_is_the_network(bits: float | None):
    network = as_packed(model(bits))
    tokens, k = characters(), 1
    written = model_of(network, k)
    session = onnxruntime.InferenceSession(
        written.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    got = session.run(None, {"tokens": tokens[k].numpy()})[0]
    wanted = network.exact(tokens)
    assert wanted.dtype == torch.float32
    torch.testing.assert_close(torch.from_numpy(got), wanted[k], rtol=0, atol=1e-6)
    near = model(bits)(tokens)  # as trained, in float32
    assert float((near - wanted).abs().median()) < 1e-5
    kinds = {t.name: t.data_type for t in written.graph.initializer}
    for name in ("embed.weight.single", "head.weight.single"):
        assert kinds[name] == onnx.TensorProto.FLOAT  # of no fewer bits
    products = [n for n in written.graph.node if n.op_type == "MatMulInteger"]
    assert len(products) == {None: 0, 8: 20}.get(bits, 10)


def test_what_is_exact_leaves_the_network_as_it_was():
    network = as_packed(model(2))
    before = copy.deepcopy(network.state_dict())
    network.exact(characters())
    after = network.state_dict()
    assert all(torch.equal(before[k], x) for k, x in after.items())
    assert {x.dtype for x in after.values()} == {torch.float32, torch.uint8}
