"""ONNX files of other makers act as they did, where their conventions are said."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

from tasks.adopt.engine.brought import block_of, check_beside, kind_of
from tasks.adopt.engine.source import seal
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_check import KEY
from tasks.artifacts.onnx_policy import OnnxPolicy, write_onnx
from tasks.nets.feedforward import Feedforward
from tests.adopt.graphs import Writer, weights
from tests.adopt.sources import AGENTS, of_source, oracle, world_of

EXPERT = Path(__file__).parents[2] / "data/behaviors/pendulum/expert.json"


def adopt(path: Path, options: str, name: str = "sac") -> Feedforward:
    """What ``make adopt`` does of a file, for the world of an agent."""
    assert kind_of(path) == "foreign_onnx"
    check_beside(path, "foreign_onnx", None)
    block = block_of("foreign_onnx", "d", options, path, beside=False)
    folder = path.parent / "source"
    folder.mkdir(exist_ok=True)
    shutil.copy(path, folder / "policy.onnx")
    seal(folder, path.name)
    return of_source(folder, block, world_of(name))


def copied(name: str, folder: Path) -> Path:
    return Path(shutil.copy(AGENTS / name, folder / name))


def output(path: Path) -> str:
    """The name of the first output, which torch draws as a number."""
    return onnx.load(path).graph.output[0].name


@pytest.mark.parametrize(
    ("file", "options", "agent"),
    [
        ("sac.onnx", "normaliser=none action=scaled", "sac"),
        ("sac_dynamo.onnx", "normaliser=none action=scaled", "sac"),
        ("ppo.onnx", "normaliser=none action=world clip=true", "ppo"),
        ("dqn.onnx", "normaliser=none action=q", "dqn"),
    ],
)
def test_the_documented_recipe_acts_as_the_agent(
    file: str, options: str, agent: str, tmp_path: Path
):
    path, expected = copied(file, tmp_path), oracle(agent)
    policy = adopt(path, f"{options} output={output(path)}", agent)
    o = torch.from_numpy(expected["observations"])[None]
    action = policy(o)[0].numpy()
    np.testing.assert_allclose(action, expected["actions"], rtol=0, atol=1e-5)


def test_its_convention_must_be_said(tmp_path: Path):
    path = copied("sac.onnx", tmp_path)
    with pytest.raises(RefusedError, match="normaliser: found nothing, expected input"):
        adopt(path, "")
    with pytest.raises(RefusedError, match="action: found nothing"):
        adopt(path, "normaliser=none")
    with pytest.raises(RefusedError, match=r"from \[-1.0\] to \[1.0\], expected \[-2"):
        adopt(path, "normaliser=none action=world")
    with pytest.raises(RefusedError, match="no normaliser inside, expected inside"):
        adopt(path, "normaliser=inside action=scaled")
    with pytest.raises(RefusedError, match="unit: found an unknown option"):
        adopt(path, "normaliser=none action=scaled unit=1")
    with pytest.raises(RefusedError, match="OPTIONS: found action, expected key=value"):
        adopt(path, "action")
    with pytest.raises(RefusedError, match="found tanh after the last layer"):
        adopt(path, "normaliser=none action=q", "dqn")


def test_a_contract_is_measured_and_never_believed(tmp_path: Path):
    path, options = copied("sac.onnx", tmp_path), "normaliser=none action=scaled"
    ours = EXPERT
    beside = Path(shutil.copy(ours, path.with_suffix(".json")))
    with pytest.raises(RefusedError, match=r"sac.json: file: found a contract"):
        adopt(path, options)
    model = onnx.load(path)
    model.metadata_props.add(key=KEY, value=beside.read_text())
    beside.unlink()
    path.write_bytes(model.SerializeToString())
    with pytest.raises(RefusedError, match="offcut.contract: found a contract"):
        adopt(path, options)
    with pytest.raises(RefusedError, match="offcut.contract: found a contract"):
        adopt(Path(shutil.copy(ours.with_suffix(".onnx"), tmp_path / "e.onnx")), "")


def run(writer: Writer, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    import onnxruntime

    session = onnxruntime.InferenceSession(writer.model().SerializeToString())
    return np.concatenate([session.run(None, {"obs": row[None]})[0] for row in rows])


ROWS = np.random.default_rng(1).uniform(-2, 2, (200, 3)).astype(np.float32)


def test_a_normaliser_and_a_clip_inside_are_read(tmp_path: Path):
    w, ((a, b), (c, d)) = Writer(), weights(3, 16, 1)
    w.add("Sub", [0.5, -0.5, 1])
    w.add("Div", [1, 2, 0.5])
    w.add("Clip", -1.5, 1.5)
    w.add("MatMul", a)
    w.add("Add", b, first=False)
    w.add("Tanh")
    w.add("Gemm", c.T, d, transB=1, alpha=0.2)
    w.add("Clip", -0.9, 0.9)
    w.add("Tanh")
    w.add("Mul", 2.0)
    policy = adopt(w.save(tmp_path / "a.onnx"), "normaliser=inside action=world")
    assert (policy.observation_limit, policy.activation) == (1.5, "tanh")
    assert policy.limit == pytest.approx(0.9)
    action = policy(torch.from_numpy(ROWS)[None])[0].numpy()
    np.testing.assert_allclose(action, run(w, ROWS), atol=1e-5)
    assert (np.abs(ROWS) > 1.5).any()
    with pytest.raises(RefusedError, match="a normaliser inside the graph, expected"):
        adopt(tmp_path / "a.onnx", "normaliser=none action=world")


def test_numbers_between_layers_go_into_them(tmp_path: Path):
    w, ((a, b), (c, d)) = Writer(), weights(3, 16, 1)
    w.add("Gemm", a, b)
    w.add("Mul", 0.5)
    w.add("Sub", 0.25, first=False)
    w.add("Relu")
    w.add("Div", 4.0)
    w.add("Add", 0.125)
    w.add("Identity")
    w.add("Gemm", c, d, beta=0.5)
    w.add("Add", [0.1])
    w.add("Clip", -2.0, 2.0)
    policy = adopt(w.save(tmp_path / "a.onnx"), "normaliser=none action=world")
    action = policy(torch.from_numpy(ROWS)[None])[0].numpy()
    np.testing.assert_allclose(action, run(w, ROWS), atol=1e-5)
    assert 0.1 < (np.abs(action) == 2).mean() < 0.9


def chain(*, end: Any = None, between: str = "Relu", scale: float = 1.0) -> Writer:
    w, ((a, b), (c, d), (e, f)) = Writer(), weights(3, 8, 8, 1)
    w.add("Gemm", a * np.float32(scale), b)
    w.add("Relu")
    w.add("Gemm", c, d)
    w.add(between)
    w.add("Gemm", e, f)
    if end:
        w.add(*end)
    return w


@pytest.mark.parametrize(
    ("writer", "options", "words"),
    [
        (chain(), "action=world", "an output without bounds.*say clip=true"),
        (chain(), "action=scaled", "an output without bounds"),
        (chain(end=("Clip", -1, 1)), "action=world", r"a clip to \[-1.0\]..\[1.0\]"),
        (chain(end=("Clip", -2, 2)), "action=scaled", r"a clip to \[-2.0\]..\[2.0\]"),
        (chain(end=("Softmax",)), "action=scaled", "found node Softmax, Softmax"),
        (chain(end=("Relu",)), "action=world", "found relu after the last layer"),
        (chain(between="Tanh"), "action=world clip=true", "found Relu and Tanh"),
        (chain(between="Sigmoid"), "action=world clip=true", "Sigmoid, expected Gemm"),
        (chain(between="Identity"), "action=world clip=true", "without an activation"),
        (chain(scale=np.nan), "action=world clip=true", "not finite"),
        (chain(), "action=world clip=true input=x", "input: found x, expected one of"),
        (chain(), "action=world clip=true output=x", "output: found x"),
        (chain(), "action=logits", "found discrete actions, expected continuous"),
        (chain(), "action=world clip=perhaps", "clip: found perhaps"),
    ],
)
def test_others_are_refused_in_one_line(
    writer: Writer, options: str, words: str, tmp_path: Path
):
    path = writer.save(tmp_path / "a.onnx")
    with pytest.raises(RefusedError, match=words) as error:
        adopt(path, f"normaliser=none {options}")
    assert "\n" not in str(error.value)


def test_a_network_that_is_no_chain_is_refused(tmp_path: Path):
    w = chain()
    last = w.nodes[-1]
    w.nodes.append(onnx.helper.make_node("Add", [last.output[0], "v1"], ["sum"]))
    path = w.save(tmp_path / "a.onnx")
    with pytest.raises(RefusedError, match="of 2 values, expected nodes of one value"):
        adopt(path, "normaliser=none action=world clip=true")


def test_data_outside_the_file_are_refused(tmp_path: Path):
    path, options = tmp_path / "a.onnx", "normaliser=none action=world clip=true"
    onnx.save(
        chain().model(),
        path,
        save_as_external_data=True,
        location="a.onnx.data",
        size_threshold=0,
    )
    with pytest.raises(RefusedError, match="save it with external_data=False"):
        adopt(path, options)
    (tmp_path / "a.onnx.data").rename(tmp_path / "other")
    with pytest.raises(RefusedError, match="save it with external_data=False"):
        adopt(path, options)


@pytest.mark.parametrize("data", [b"", b"hello", b"\x08\x01", bytes(100)])
def test_other_files_are_refused(data: bytes, tmp_path: Path):
    path = tmp_path / "a.onnx"
    path.write_bytes(data)
    with pytest.raises(RefusedError, match="content: found"):
        kind_of(path)


def test_a_cut_file_is_refused(tmp_path: Path):
    path = copied("sac.onnx", tmp_path)
    data = path.read_bytes()
    for size in (len(data) // 3, len(data) - 7):
        path.write_bytes(data[:size])
        with pytest.raises(RefusedError) as error:
            adopt(path, "normaliser=none action=scaled")
        assert "\n" not in str(error.value)


def test_a_contract_that_was_copied_is_refused_where_it_is_played(tmp_path: Path):
    """The recipe's file with the names and the contract of one of ours."""
    path = copied("sac.onnx", tmp_path)
    model = onnx.load(path)
    contract = json.loads(EXPERT.read_text()) | {"inputs": {}}
    del contract["onnx_sha256"]
    graph = model.graph
    for value, new in ((graph.input[0], "observation"), (graph.output[0], "action")):
        old, value.name = value.name, new
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
        for node in graph.node:
            for names in (node.input, node.output):
                names[:] = [new if name == old else name for name in names]
    shape = ["batch", 3]
    contract["inputs"]["observation"] = {"shape": shape, "dtype": "float32"}
    write_onnx(path, model, contract)
    with pytest.raises(RefusedError, match="producer: found pytorch, so the contract"):
        OnnxPolicy.open(path)
    model.producer_name, model.ir_version = "offcut", 10
    write_onnx(path, model, contract)
    with pytest.raises(RefusedError, match="opset: found 17, so the contract is anot"):
        OnnxPolicy.open(path)


def test_a_choice_inside_the_graph_is_the_largest_value(tmp_path: Path):
    w, ((a, b), (c, d)) = Writer(4), weights(4, 16, 2)
    o = oracle("dqn")["observations"]
    values = np.maximum(o @ a + b, 0) @ c
    d[:] = 0, np.median(values[:, 0] - values[:, 1])
    w.add("Gemm", a, b)
    w.add("Relu")
    w.add("Gemm", c, d)
    w.add("ArgMax", axis=1, keepdims=0)
    path = w.save(tmp_path / "a.onnx")
    policy = adopt(path, "normaliser=none action=q", "dqn")
    chosen = (values + d).argmax(1)
    assert (policy(torch.from_numpy(o)[None])[0].numpy() == chosen).all()
    assert 0.1 < chosen.mean() < 0.9
    with pytest.raises(RefusedError, match="argmax after the last layer"):
        adopt(path, "normaliser=none action=world clip=true")
