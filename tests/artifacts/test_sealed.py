"""A flipped bit anywhere in a file that others believe is refused in one line."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.evaluation import (
    METRICS,
    STATED,
    TABLE,
    Episodes,
    read_evaluation,
    write_evaluation,
)
from tasks.artifacts.policy import load_critic, load_policy, save_critic, save_policy
from tasks.artifacts.recorded import read_world, write_world
from tasks.artifacts.sealed import SEAL, read_sealed, sealed, write_sealed
from tasks.train import Spaces
from tasks.train.cores.actor_critic import Critics, actor, trained_critic
from tests.claims.results_files import evaluated

CONTENT = {"a": [1, 2.5, None, True, "\u00fc"], "b": {"c": 1e-30}, "1": {}}
ORIGIN = {"seeds": [0, 1], "learner": "bc", "dataset": "d", "world": "hopper"}
Read = Callable[[], Any]


def spaces() -> Spaces:
    one = torch.ones(1)
    return Spaces(torch.zeros(2), torch.ones(2), -one, one)


def policy_folder(folder: Path) -> Read:
    save_policy(folder, actor(spaces(), (0, 1), (2,), "tanh"), ORIGIN)
    return lambda: load_policy(folder)[1]


def critic_folder(folder: Path) -> Read:
    net = trained_critic(spaces(), Critics(spaces(), (0, 1), (2,), 1))
    save_critic(folder, net, ORIGIN)
    return lambda: load_critic(folder)[1]


def dataset_folder(folder: Path) -> Read:
    block = {"_target_": "tasks.worlds.hopper.Hopper", "ref_min": 17.07}
    write_world(folder, block, 0.008, [{"method": "worlds.hopper"}])
    return lambda: read_world(folder)


def evaluation_folder(folder: Path) -> Read:
    n = np.arange(4)
    returns = np.array([1.0, -2.5, 1e9, 0.25])
    table = Episodes(n // 2, n % 2, n % 2, returns, n + 7, n > 2)
    write_evaluation(folder, table, evaluated("d", "l", "v", [0, 1], 2))
    return lambda: read_evaluation(folder, "dvc repro")[1]


KINDS: dict[str, Callable[[Path], Read]] = {
    "policy.json": policy_folder,
    "critic.json": critic_folder,
    "world.json": dataset_folder,
    METRICS: evaluation_folder,
    TABLE: evaluation_folder,
}


def flips(content: bytes) -> Iterator[bytes]:
    """The content with one bit of each byte flipped, every bit in its turn."""
    for at in range(len(content)):
        flipped = bytearray(content)
        flipped[at] ^= 1 << (at * 5 + at // 8) % 8
        yield bytes(flipped)


@pytest.mark.parametrize("name", KINDS)
def test_a_flipped_bit_is_refused_or_changes_nothing(tmp_path: Path, name: str):
    read = KINDS[name](tmp_path)
    file, before = tmp_path / name, read()
    refusals: list[RefusedError] = []
    for flipped in flips(original := file.read_bytes()):
        file.write_bytes(flipped)
        try:
            assert read() == before, "another value was believed"
        except RefusedError as error:
            refusals.append(error)
    assert len(refusals) > 0.99 * len(original)
    assert not [e for e in refusals if "\n" in str(e) or name not in e.where]
    assert not [e for e in refusals if "make it again with: " not in e.mend]
    file.write_bytes(original)
    assert read() == before


@pytest.mark.parametrize("name", ["policy.json", "critic.json"])
def test_seeds_in_another_order_are_refused(tmp_path: Path, name: str):
    read = KINDS[name](tmp_path)
    spec = json.loads((tmp_path / name).read_text())
    spec["origin"]["seeds"] = [1, 0]
    (tmp_path / name).write_text(json.dumps(spec))
    with pytest.raises(RefusedError, match=f"{SEAL}: found .*; make it again with"):
        read()


def test_a_table_of_another_run_is_refused(tmp_path: Path):
    read = evaluation_folder(tmp_path)
    table = Episodes.read(tmp_path / TABLE)
    Episodes(**vars(table) | {"returns": table.returns[::-1]}).write(tmp_path / TABLE)
    with pytest.raises(RefusedError, match=f"{TABLE}: sha256: found"):
        read()
    write_sealed(tmp_path / METRICS, evaluated("d", "l", "v", [0, 1], 2))
    with pytest.raises(RefusedError, match=f"{STATED}: found nothing"):
        read()
    assert STATED not in json.loads((tmp_path / METRICS).read_text())


def test_the_hash_is_of_the_values_alone(tmp_path: Path):
    path = tmp_path / "a.json"
    write_sealed(path, CONTENT)
    content = read_sealed(path, "x")
    assert content == sealed(CONTENT) == sealed(sealed(CONTENT))
    path.write_text(json.dumps(dict(reversed(content.items())), indent=7))
    assert read_sealed(path, "x") == content


@pytest.mark.parametrize("text", ["", "[]", "3", "null", "{}", '{"a": 1}', "[" * 99])
def test_what_states_no_hash_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(RefusedError, match="make it again with: x"):
        read_sealed(path, "x")


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(RefusedError, match="found nothing.*make it with: x"):
        read_sealed(tmp_path / "a.json", "x")
