import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

from tasks.nets.graph import Graph
from tasks.nets.layers import Linear
from tasks.nets.sampling import Call, Plan, Sum, ddpm, run, variance_preserving
from tasks.nets.sampling_graph import emit

A, B, STEPS = 3, 5, 4


def layer() -> Linear:
    made = Linear(1, A, A)
    made.initialise([torch.Generator().manual_seed(0)])
    return made


def test_a_plan_survives_its_spec():
    plan = ddpm(variance_preserving(STEPS))
    assert Plan.from_spec(plan.spec()) == plan
    assert plan.calls == plan.noises == STEPS


def test_ddpm_with_the_true_data_ends_at_it():
    """With the data as prediction the last step keeps nothing of the noise."""
    plan = ddpm(variance_preserving(STEPS), clip=False)
    data = torch.full((1, B, A), 0.3)
    noise = list(torch.randn(STEPS, 1, B, A))
    torch.testing.assert_close(run(plan, lambda *_: data, "data", noise), data)


def test_ddpm_keeps_the_marginal():
    """Of data N(0, 0.25), whose best prediction is known, samples have its spread.

    Up to what a finite number of steps takes from it: 5 % with 100.
    """
    abar = variance_preserving(500)
    spread = 0.5

    def network(x: torch.Tensor, time: float) -> torch.Tensor:
        kept = abar[int(time)]
        return x * (1 - kept) ** 0.5 / (kept * spread**2 + 1 - kept)

    draw = torch.Generator().manual_seed(1)
    noise = list(torch.randn(500, 1, 10_000, 1, generator=draw))
    got = run(ddpm(abar, clip=False), network, "noise", noise)
    assert got.std().item() == pytest.approx(spread, rel=0.03)


@pytest.mark.parametrize("kind", ["noise", "data"])
@pytest.mark.parametrize("clip", [True, False])
def test_onnx_equals_torch_and_holds_the_weights_once(kind: str, clip: bool):
    plan, net, graph = ddpm(variance_preserving(STEPS), clip), layer(), Graph()
    names = [f"z{i}" for i in range(plan.noises)]
    last = emit(
        plan,
        graph,
        lambda g, x, *_: g.add("Tanh", net.emit(g, x, 0, "net"), name="said"),
        kind,
        names,
    )
    graph.add("Identity", last, name="action")
    values = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", A])
        for n in (*names, "action")
    ]
    body = helper.make_graph(
        graph.nodes, "g", values[:-1], values[-1:], initializer=graph.initialisers
    )
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 21)])
    model.ir_version = 10
    onnx.checker.check_model(model, full_check=True)
    kept = [one.name for one in graph.initialisers if one.name.startswith("net")]
    assert kept == ["net.weight", "net.bias"]
    draw = torch.Generator().manual_seed(2)
    noise = torch.randn(plan.noises, 1, B, A, generator=draw)
    with torch.no_grad():
        wanted = run(plan, lambda x, _: torch.tanh(net(x)), kind, list(noise))[0]
    session = onnxruntime.InferenceSession(model.SerializeToString())
    given = {name: z[0].numpy() for name, z in zip(names, noise, strict=True)}
    np.testing.assert_allclose(session.run(None, given)[0], wanted, rtol=0, atol=1e-5)


def test_a_velocity_steps_back_along_it():
    plan = Plan(
        "euler",
        (
            Call("v", "noise0", 1.0, 0.0, 1.0, "velocity"),
            Sum("action", (("noise0", 1.0), ("v", -1.0))),
        ),
        1,
    )
    noise = torch.randn(1, 1, B, A)
    got = run(plan, lambda x, _: x - 0.2, "velocity", [*noise])
    torch.testing.assert_close(got, torch.full((1, B, A), 0.2))
