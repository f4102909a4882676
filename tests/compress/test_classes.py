"""Classes that policy.json names are code of the methods its ``made_by`` lists.

The stages that load a policy import those classes without knowing them. They run again
when a class changes only because its file is in the closure of one of the makers.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tasks.code import Closure, methods, of_method
from tasks.compress import Compressor
from tasks.nets.policy import Policy
from tests.compress.harness import make_compressor, make_policy, make_rows
from tests.compress.ptq4dm_policies import ROWS
from tests.compress.test_transformer import rows as windows
from tests.compress.test_unroll import net
from tests.compress.test_unroll import rows as pictures
from tests.nets.diffusions import diffusion
from tests.nets.pictures import resnet
from tests.nets.transformers import transformer
from tests.predictors import classifier

# a learner and a policy of its kind
POLICIES: dict[str, Callable[[], Any]] = {
    "bc": make_policy,
    "dt": transformer,
    "dql": diffusion,
    "bc_resnet": resnet,
    "classifier": classifier,
    "local_reg_nde": net,
}
SMALL: dict[str, dict[str, Any]] = {
    "quest": {"steps": 2},
    "ptq4dm": {"rows": ROWS, "batch": 32},
    "adadfq": {"arm": "minmax", "iterations": 1, "batch": 4, "width": 4},
}


def classes(value: Any) -> Iterator[str]:
    """Names of all classes in a spec."""
    if isinstance(value, dict):
        if "class" in value:
            yield value["class"]
        for inner in value.values():
            yield from classes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from classes(inner)


def unknown(spec: dict[str, Any], *closures: Closure) -> set[str]:
    """Files of classes in a spec that no closure has."""
    files = {
        name.rpartition(".")[0].replace(".", "/") + ".py" for name in classes(spec)
    }
    assert files
    return files.difference(*closures)


@pytest.mark.parametrize("learner", POLICIES)
def test_a_learner_s_closure_has_the_classes_of_its_policy(learner: str):
    spec = POLICIES[learner]().spec()
    assert unknown(spec, of_method("train", learner)) == set()


def takes(compressor: Compressor[Any], policy: Any) -> bool:
    layers = policy.linears().values()
    return isinstance(policy, compressor.policies) and all(
        isinstance(layer, compressor.takes) for layer in layers
    )


@pytest.mark.parametrize("name", methods("compress"))
def test_a_compressor_s_closure_has_the_classes_it_brings(name: str):
    compressor = make_compressor(name, **SMALL.get(name, {}))
    policies = {learner: make() for learner, make in POLICIES.items()}
    taken = {n: policy for n, policy in policies.items() if takes(compressor, policy)}
    assert taken
    for learner, policy in taken.items():
        rows: Any = pictures()
        if isinstance(policy, Policy):
            seeds = tuple(range(policy.seeds))
            plain = make_rows(ROWS, policy.observation_width, seeds=seeds)
            rows = windows() if policy.memory else plain
        small, report = compressor.compress(policy, rows)
        closures = of_method("train", learner), of_method("compress", name)
        assert unknown(small.spec(), *closures) == set()
        kinds = {entry["kind"] for entry in report["layers"]}
        assert kinds == {type(layer).__name__ for layer in small.linears().values()}
