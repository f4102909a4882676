"""Fifty updates end where they ended when each layer was a call of torch's own.

``fifty.py`` says what is in the files.
"""

import pytest
import torch
from safetensors.torch import load_file

from tasks.artifacts.params import class_of
from tasks.code import methods
from tasks.learn import StreamingLearner
from tasks.train import Learner

from . import harness
from .fifty import CASES, FOLDER, fifty

TOLERANCES = {"weight": 1e-5, "loss": 1e-6}  # absolute; of losses relative as well


@pytest.mark.parametrize("name", CASES)
def test_a_learner_ends_where_it_did(name: str):
    kept, now = load_file(FOLDER / f"{name}.safetensors"), fifty(name)
    assert set(kept) == set(now)
    for key, before in kept.items():
        kind, _, tensor = key.partition("/")
        limit = TOLERANCES[kind]
        relative = limit if kind == "loss" else 0
        torch.testing.assert_close(
            now[key], before, atol=limit, rtol=relative, msg=lambda m, t=tensor: t + m
        )


LATER = {"dsac_t", "stock_augmented"}  # never were of such layers


def made_of_batches(name: str) -> bool:
    """Whether a learner has batches of transitions, as the cases are made of."""
    kind = class_of(harness.block(name), name)
    return issubclass(kind, Learner) and not issubclass(kind, StreamingLearner)


def test_every_learner_of_batches_is_among_them():
    names = {*methods("train"), *methods("learn")}
    taken = {case.learner for case in CASES.values()}
    assert taken == set(filter(made_of_batches, names)) - LATER
