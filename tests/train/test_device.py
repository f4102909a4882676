"""Learners on another device than the processor, as far as this machine can tell."""

from contextlib import nullcontext
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode

from tasks.train.engine.loop import settle, train
from tasks.train.engine.minibatches import batches

from . import harness
from .fifty import CASES


class Blind(TorchFunctionMode):
    """There are no numbers on ``meta``: of such a tensor all hold, and none fails."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if len(args) == 1 and function in (torch.Tensor.all, torch.Tensor.any):
            return function is torch.Tensor.all
        return function(*args, **(kwargs or {}))


def moved(batch: Any, device: str) -> Any:
    """A batch whose tensors lie on another device."""
    fields = {
        name: {k: v.to(device) for k, v in value.items()}
        if isinstance(value, dict)
        else value.to(device)
        for name, value in vars(batch).items()
    }
    return type(batch)(**fields)


def send(learner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Move a learner to ``meta``, its parameters staying the ones optimisers know."""
    monkeypatch.setattr(torch.__future__, "_swap_module_params_on_conversion", True)
    learner.to("meta")


@pytest.mark.parametrize("case", CASES)
def test_an_update_makes_no_tensor_on_the_processor(
    case: str, monkeypatch: pytest.MonkeyPatch
):
    """On ``meta`` torch refuses every operation that mixes it with the processor."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    name, data, override = CASES[case]
    data = data or harness.transitions()
    learner = harness.make(name, updates=4, data=data, **override or {})
    sample = batches(learner, data, 16)
    drawn = [moved(sample(step), "meta") for step in range(2)]
    send(learner, monkeypatch)
    assert learner.device.type == "meta"
    with Blind():
        for step, batch in enumerate(drawn):
            losses = learner.update(batch, step)
    assert {loss.device.type for loss in losses.values()} == {"meta"}
    assert {t.device.type for t in learner.state_dict().values()} == {"meta"}


@pytest.mark.parametrize("name", ["iql", "cql", "dt"])
def test_batches_lie_where_the_learner_does(name: str):
    _, data, override = CASES[name]
    learner = harness.make(name, data=data or harness.transitions(), **override or {})
    sample = batches(learner.to("meta"), data or harness.transitions(), 16)
    for value in vars(sample(0)).values():
        for tensor in value.values() if isinstance(value, dict) else [value]:
            assert tensor.is_meta


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("case", CASES)
def test_a_gpu_trains_as_the_processor_does(case: str):
    """As far as their roundings let them: a few updates, from the same weights."""
    name, data, override = CASES[case]
    data = data or harness.transitions()
    here = harness.make(name, updates=4, data=data, **override or {})
    there = deepcopy(here).to("cuda")
    settle("cuda")
    for learner in (here, there):
        train(learner, data, 4, 16)
    for key, tensor in here.state_dict().items():
        found = there.state_dict()[key].cpu()
        torch.testing.assert_close(found, tensor, atol=1e-4, rtol=1e-3)
