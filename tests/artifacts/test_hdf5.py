"""What a stored dataset may point to, hold and claim: nothing but its own numbers."""

import contextlib
import json
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tasks.artifacts.dataset import STATED, load_episodes, write_dataset
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import read_json, sha256
from tasks.artifacts.sealed import write_sealed
from tasks.worlds import World
from tests.artifacts.made_up import BLOCK, ID, hopper, three  # noqa: F401
from tests.artifacts.mutations import spoilt_bytes, spoilt_json

Change = Callable[[h5py.Group], Any]


@pytest.fixture
def folder(world: World, tmp_path: Path) -> Path:
    write_dataset(tmp_path / ID, ID, three(), world, BLOCK)
    return tmp_path / ID


def mend_hash(folder: Path) -> None:
    """Let the card state the hashes of the files as they are, and its own."""
    card = read_json(folder / "card.json", "")
    card["sha256"] = sha256(folder / "data/main_data.hdf5")
    card[STATED] = sha256(folder / "data/metadata.json")
    write_sealed(folder / "card.json", card)


def change(folder: Path, edit: Change) -> None:
    """Edit episode 1 behind the card's back."""
    with h5py.File(folder / "data/main_data.hdf5", "a") as file:
        edit(file["episode_1"])
    mend_hash(folder)


def put(group: h5py.Group, name: str, data: Any, **options: Any) -> None:
    """Put an array in the place of another."""
    if name in group:
        del group[name]
    group.create_dataset(name, data=data, **options)


def swap(group: h5py.Group, name: str, value: Any) -> None:
    """Put a link in the place of an array."""
    if name in group:
        del group[name]
    group[name] = value


def assert_refused(folder: Path, match: str) -> None:
    with pytest.raises(RefusedError, match=match) as caught:
        load_episodes(folder)
    assert "\n" not in str(caught.value)


def outside(group: h5py.Group) -> None:
    """Rewards that are bytes of another file."""
    del group["rewards"]
    place = [("/etc/hostname", 0, 24)]
    group.create_dataset("rewards", (3,), np.float64, external=place)


def view(group: h5py.Group) -> None:
    """Rewards that are computed from an array of another file."""
    del group["rewards"]
    layout = h5py.VirtualLayout((3,), np.float64)
    layout[:] = h5py.VirtualSource("elsewhere.hdf5", "x", (3,))
    group.create_virtual_dataset("rewards", layout)


def nest(group: h5py.Group) -> None:
    """A group in the place of rewards."""
    del group["rewards"]
    group.create_group("rewards").create_dataset("x", data=np.zeros(3))


def flatten(group: h5py.Group) -> None:
    """An array in the place of a group."""
    del group["infos"]
    group["infos"] = np.zeros(4)


def compound(group: h5py.Group) -> None:
    """Rewards with named parts."""
    put(group, "rewards", np.zeros(3, [("a", "f8"), ("b", "f8")]))


def reference(group: h5py.Group) -> None:
    """Rewards that are references to other objects."""
    put(group, "rewards", [group.ref] * 3, dtype=h5py.ref_dtype)


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (lambda g: swap(g, "rewards", h5py.SoftLink("/episode_0/rewards")), "a link"),
        (lambda g: swap(g, "rewards", h5py.ExternalLink("/etc/x", "/a")), "a link"),
        (lambda g: swap(g, "infos", h5py.SoftLink("/episode_0/infos")), "a link"),
        (lambda g: swap(g["infos"], "legal", h5py.ExternalLink("x", "/a")), "a link"),
        (outside, "rewards: found numbers stored outside the file"),
        (view, "rewards: found a view"),
        (nest, "rewards: found a group, expected a dataset"),
        (flatten, "infos: found a dataset, expected a group"),
        (lambda g: put(g, "rewards", np.zeros(3), compression="lzf"), "the filter 32"),
        (lambda g: put(g, "rewards", np.zeros(4), scaleoffset=2), "the filter 6"),
        (lambda g: put(g, "rewards", 3.0), r"float64 of shape \(\)"),
        (lambda g: put(g, "rewards", h5py.Empty("f8")), "of shape None"),
        (lambda g: put(g, "rewards", [b"a", b"b", b"c"]), "rewards: found"),
        (lambda g: put(g, "rewards", ["a", "b", "c"]), "rewards: found object"),
        (lambda g: put(g, "rewards", np.zeros(3, np.complex128)), "found complex128"),
        (lambda g: put(g, "rewards", np.zeros(3, bool)), "rewards: found type bool"),
        (lambda g: put(g, "rewards", np.full(3, 1e300)), "rewards: found 1e.300"),
        (lambda g: put(g, "terminations", np.zeros(3)), "terminations: found type f"),
        (
            lambda g: put(g, "truncations", np.full(3, 2)),
            r"found \[0, 2\], expected tr",
        ),
        (compound, "rewards: found"),
        (reference, "rewards: found object"),
        (lambda g: g.attrs.update({"seed": "seven"}), "attribute seed: found 'seven'"),
        (lambda g: g.attrs.update({"seed": 1.5}), "attribute seed: found"),
        (lambda g: g.attrs.create("x", g.ref, dtype=h5py.ref_dtype), "attribute x: f"),
        (lambda g: g.file.move("episode_2", "episode_3"), "episode_2: found nothing"),
        (lambda g: g.file.move("episode_2", "other"), "episodes: found 2, expected 3"),
        (lambda g: g.file.create_group("episode_3"), "episodes: found 4, expected 3"),
    ],
)
def test_what_is_no_array_of_numbers_in_the_file_is_refused(
    folder: Path, edit: Change, match: str
):
    change(folder, edit)
    assert_refused(folder, match)


@pytest.mark.parametrize(
    "edit",
    [
        lambda g: put(g, "rewards", np.zeros(3), compression="gzip", shuffle=True),
        lambda g: put(g, "rewards", np.zeros(3), fletcher32=True, chunks=(2,)),
        lambda g: put(g, "rewards", np.arange(3)),
        lambda g: put(g, "rewards", np.zeros(3, np.float16)),
        lambda g: put(g, "truncations", np.array([0, 0, 1], np.uint8)),
        lambda g: swap(g, "rewards", g.file["episode_1/rewards"]),
        lambda g: g.attrs.update({"seed": np.uint8(7), "note": "a word"}),
        lambda g: put(g["infos"], "qpos", np.zeros((4, 6), np.int8)),
    ],
)
def test_other_ways_to_store_numbers_are_taken(folder: Path, edit: Change):
    change(folder, edit)
    assert len(load_episodes(folder)[0]) == 3


def test_more_numbers_than_the_file_can_hold_are_refused(folder: Path):
    def fill(group: h5py.Group) -> None:
        del group["rewards"]
        group.create_dataset("rewards", (10**9,), np.float64, chunks=(10**5,))

    change(folder, fill)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert_refused(folder, r"rewards: found shape \(1000000000,\), 8000000000 bytes")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def test_one_array_under_many_names_is_counted_each_time(folder: Path):
    main = folder / "data/main_data.hdf5"
    with h5py.File(main, "a") as file:
        infos = file["episode_1/infos"]
        infos.create_dataset("blank", (10**6,), np.float64, chunks=(10**5,))
        for number in range(300):
            infos[f"again{number}"] = infos["blank"]
    mend_hash(folder)
    with pytest.raises(RefusedError, match="again.*times the file's"):
        load_episodes(folder)


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("metadata.json", {"total_episodes": "3"}, "total_episodes: found '3'"),
        ("metadata.json", {"total_episodes": None}, "total_episodes: found None"),
        ("metadata.json", {"total_episodes": 0}, "total_episodes: found 0"),
        ("metadata.json", {"observation_space": "{"}, "observation_space: found"),
        ("metadata.json", {"observation_space": "[" * 10**5}, "observation_space: fou"),
        ("metadata.json", {"observation_space": 3}, "observation_space: found"),
        ("metadata.json", {"action_space": '{"type": "Discrete"}'}, "action_space"),
        ("metadata.json", {"dataset_id": ["x"]}, "dataset_id: found"),
    ],
)
def test_metadata_of_other_types_is_refused(
    folder: Path, name: str, content: dict[str, Any], match: str
):
    path = folder / "data" / name
    path.write_text(json.dumps(read_json(path, "") | content))
    mend_hash(folder)
    assert_refused(folder, match)


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": [10**9], "low": 0.0, "high": 1.0},
        {"shape": [11], "low": [0.0], "high": [1.0]},
        {"dtype": "O"},
        {"dtype": "f8,f8"},
        {"dtype": {"names": []}},
        {"low": [[1.0], 2.0]},
        {"low": [5.0] * 11, "high": [4.0] * 11},
        {"shape": "11"},
    ],
)
def test_a_space_that_is_no_box_is_refused(folder: Path, changes: dict[str, Any]):
    path = folder / "data/metadata.json"
    metadata = read_json(path, "")
    space = json.loads(metadata["observation_space"]) | changes
    path.write_text(json.dumps(metadata | {"observation_space": json.dumps(space)}))
    mend_hash(folder)
    assert_refused(folder, "observation_space: found .*expected a Box space")


def test_a_damaged_file_is_refused_or_read(folder: Path):
    main = folder / "data/main_data.hdf5"
    refused = 0
    for version in spoilt_bytes(main.read_bytes(), 300, np.random.default_rng(0)):
        main.write_bytes(version)
        mend_hash(folder)
        try:
            load_episodes(folder)
        except RefusedError:
            refused += 1
    assert 50 < refused < 300


@pytest.mark.parametrize("name", ["card.json", "world.json", "data/metadata.json"])
def test_damaged_words_beside_it_are_refused_or_read(folder: Path, name: str):
    content = read_json(folder / name, "")
    for version in spoilt_json(content, 100, np.random.default_rng(0)):
        if name.startswith("data/"):
            (folder / name).write_text(json.dumps(version))
            mend_hash(folder)
        elif isinstance(version, dict):
            write_sealed(folder / name, version)
        with contextlib.suppress(RefusedError):
            load_episodes(folder)
    for text in (b"", b"[" * 10**5, b"3", b"{}", b"\xff", b'{"a": NaN}'):
        (folder / name).write_bytes(text)
        with pytest.raises(RefusedError):
            load_episodes(folder)
