"""Archives: measures, elites, and their way into a dataset."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.artifacts.dataset import write_dataset
from tasks.artifacts.episodes import Episode
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.minari import read_episodes
from tasks.artifacts.rows import load_transitions
from tasks.artifacts.seeding import seed_of
from tasks.generate.cores.archive_dataset import (
    ReplayParams,
    episode_counts,
    genome_sha256,
    replay,
)
from tasks.generate.cores.descriptors import Measures
from tasks.generate.cores.policy_batch import Arena, Policies, genes
from tasks.generate.cores.quality_diversity import (
    RANDOM,
    VARIATION,
    Archive,
    Elites,
    iso_line,
)
from tests.worlds.harness import load

WIDTHS = (10, 4, 2)
REPLAY = ReplayParams(2, 1.0, None, "uniform")


def archive(cells: int = 8, genes: int = 3) -> Archive:
    return Archive(genes, 2, cells, 200, seed=0, qd_offset=1.0)


def elites(count: int = 6) -> Elites:
    draw = np.random.default_rng(0)
    return Elites(
        cell=np.arange(count) * 2,
        genome=Policies.random(count, WIDTHS, _torch(0)).genomes(),
        objective=np.arange(count, dtype=float)[::-1].copy(),
        measures=draw.uniform(-1, 1, (count, 2)),
        generation=np.arange(count),
        operator=np.full(count, VARIATION),
    )


def _torch(seed: int) -> Any:
    import torch

    return torch.Generator().manual_seed(seed)


def test_the_better_one_holds_the_cell():
    store, here = archive(), np.array([[0.5, 0.5]])

    def offer(objective: float, gene: float, at: Any = here) -> int:
        genome = np.full((1, 3), gene, np.float32)
        return int(store.add(genome, np.array([objective]), at, 7, RANDOM)[0])

    assert [offer(1, 10), offer(0.5, 11), offer(2, 12)] == [2, 0, 1]
    assert offer(-3, 13, -here) == 2
    held = store.elites()
    assert sorted(held.objective) == [-3, 2]
    assert (np.diff(held.cell) > 0).all()
    nearest = np.linalg.norm(store.centroids - here, axis=1).argmin()
    assert held.genome[list(held.cell).index(nearest)].tolist() == [12, 12, 12]
    assert store.figures() == {"qd_score": 2 - 3 + 2 * 1, "coverage": 2 / 8, "best": 2}
    assert store.cell_width == 2 / 8**0.5


def test_an_archive_is_restored_whole():
    one, two = archive(), archive()
    assert np.array_equal(one.centroids, two.centroids)
    draw = np.random.default_rng(1)
    for n in range(2):
        genome = draw.normal(size=(30, 3)).astype(np.float32)
        one.add(genome, draw.normal(size=30), draw.uniform(-1, 1, (30, 2)), n, n)
    two.restore(Elites.of(one.elites().tensors()))
    offer = genome, draw.normal(size=30), draw.uniform(-1, 1, (30, 2)), 3, 1
    assert np.array_equal(one.add(*offer), two.add(*offer))
    for name, value in vars(one.elites()).items():
        assert np.array_equal(value, getattr(two.elites(), name)), name


def test_an_archive_refuses_what_is_not_finite():
    with pytest.raises(RefusedError, match="solution 1: found objective nan"):
        archive().add(
            np.zeros((2, 3), np.float32),
            np.array([1, np.nan]),
            np.zeros((2, 2)),
            0,
            RANDOM,
        )
    with pytest.raises(RefusedError, match=r"measures in \[-1, 1\]"):
        archive().add(
            np.zeros((1, 3), np.float32), np.ones(1), np.array([[0, 1.1]]), 0, RANDOM
        )


def test_without_pyribs_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ribs.archives", None)
    with pytest.raises(RefusedError, match=r"extra qd; run: pip install -e \.\[qd\]"):
        archive()


def test_iso_line_is_its_formula():
    held = elites()
    children = iso_line(held, 1000, 0.0, 0.05, np.random.default_rng(3))
    draw = np.random.default_rng(3)
    one, two = held.genome[draw.integers(0, 6, (2, 1000))]
    draw.standard_normal(one.shape, np.float32)
    n = 0.05 * draw.standard_normal((1000, 1), np.float32)  # one scalar a child
    np.testing.assert_allclose(children, one + (two - one) * n, atol=1e-6)
    same = replace(held, genome=np.zeros_like(held.genome))
    spread = iso_line(same, 1000, 0.005, 0.05, np.random.default_rng(3))
    assert spread.std() == pytest.approx(0.005, rel=0.02)


def test_iso_line_wants_two_parents():
    with pytest.raises(RefusedError, match="found 1, expected at least 2"):
        iso_line(elites(1), 4, 0.1, 0.1, np.random.default_rng(0))


def episode(end: tuple[float, float], steps: int = 3) -> Episode:
    flags = np.zeros(steps, bool)
    flags[-1:] = True
    qpos = np.zeros((steps + 1, 5))
    qpos[-1, :2] = end
    return Episode(
        np.zeros((steps + 1, 10)),
        np.zeros((steps, 2), np.float32),
        np.ones(steps),
        ~flags & False,
        flags,
        {"qpos": qpos},
    )


def test_measures_scale_each_dimension():
    world: Any = load("swimmer_omni")
    world.descriptor_low = np.array([-2.0, 0.0])
    measures = Measures(world)
    measured = measures.of([episode((-2, 0)), episode((1, 2)), episode((0, 0.5))])
    assert measured.tolist() == [[-1, -1], [0.5, 1], [0, -0.5]]
    assert measures.units(measured).tolist() == [[-2, 0], [1, 2], [0, 0.5]]


def test_measures_refuse_what_is_no_descriptor():
    world: Any = load("swimmer_omni")
    with pytest.raises(RefusedError, match=r"found \[nan, 0\.0\]"):
        Measures(world).of([episode((np.nan, 0))])
    with pytest.raises(RefusedError, match="an episode of 0 steps"):
        Measures(world).of([episode((0, 0), steps=0)])
    world.descriptor = lambda _: np.array([0.0, 2.5])  # a world that does not clip
    with pytest.raises(RefusedError, match=r"found \[0\.0, 2\.5\], expected \[-2"):
        Measures(world).of([episode((0, 0))])
    world.descriptor_low = np.array([-2.0, 2.0])
    with pytest.raises(RefusedError, match="low below high in each dimension"):
        Measures(world)
    with pytest.raises(RefusedError, match="pendulum, which has no descriptor"):
        Measures(load("pendulum"))


def test_cells_are_taken_as_asked():
    held = elites(4)  # objectives 3, 2, 1, 0
    assert episode_counts(held, REPLAY).tolist() == [2, 2, 2, 2]
    assert episode_counts(held, replace(REPLAY, top_fraction=0.5)).tolist() == [
        2,
        2,
        0,
        0,
    ]
    assert episode_counts(held, replace(REPLAY, top_fraction=0.0)).tolist() == [
        2,
        0,
        0,
        0,
    ]
    weighted = replace(REPLAY, episodes_per_cell=6, cell_weights="objective")
    assert episode_counts(held, weighted).tolist() == [12, 8, 4, 1]
    flat = replace(held, objective=np.ones(4))
    assert episode_counts(flat, weighted).tolist() == [6, 6, 6, 6]


def again(held: Elites, params: ReplayParams, slots: int = 4, **changes: Any) -> Any:
    world: Any = load("swimmer_omni", max_steps=6)
    for name, value in changes.items():
        setattr(world, name, value)
    return world, *replay(
        held,
        lambda genomes: Policies.of(genomes, WIDTHS).act,
        Arena(world, slots),
        Measures(world),
        params,
        5,
        "test",
    )


def test_elites_play_again_in_the_order_of_cells(tmp_path: Path):
    held = elites()
    world, episodes, figures = again(held, REPLAY)
    cells = [e.metadata["cell"] for e in episodes]
    assert cells == [0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10]
    assert [e.seed for e in episodes] == [
        seed_of(5, cell, k) for cell in range(0, 12, 2) for k in (0, 1)
    ]
    measures, distances = Measures(world), []
    for number, one in enumerate(episodes):
        row, about = number // 2, one.metadata
        policy = Policies.of(held.genome[row : row + 1], WIDTHS)
        acted = np.stack(
            [policy.act(x[None].astype("f4"))[0] for x in one.observations]
        )
        np.testing.assert_allclose(one.actions, acted[:-1], atol=1e-6)
        assert about["objective"] == held.objective[row]
        assert about["genome_sha256"] == genome_sha256(held.genome[row])
        assert (about["generation"], about["operator"]) == (row, "variation")
        np.testing.assert_allclose(
            about["measures"], measures.units(held.measures[row])
        )
        np.testing.assert_allclose(about["measured"], one.observations[-1, :2])
        ends = measures.of([one])[0] - held.measures[row]
        distances.append(np.linalg.norm(ends))
    errors = figures["reproducibility"]
    assert errors["descriptor_error"] == pytest.approx(np.mean(distances))
    away = [abs(one.ret - one.metadata["objective"]) for one in episodes]
    assert errors["return_error"] == pytest.approx(np.mean(away))
    assert (figures["cells_taken"], figures["episodes_short"]) == (6, 0)

    folder = tmp_path / "swim-v0"
    card = write_dataset(folder, folder.name, episodes, world, {}, about={"more": 1})
    assert card["more"] == 1
    assert len(load_transitions(folder).reward) == 12 * 6
    stored = list(read_episodes(folder / "data/main_data.hdf5", 12))
    about = stored[3].metadata
    assert about.keys() == episodes[3].metadata.keys()
    assert (about["cell"], about["generator"], stored[3].source) == (2, "test", "test")
    assert about["measured"].tolist() == episodes[3].metadata["measured"].tolist()


def test_results_do_not_depend_on_the_slots():
    many, few = (again(elites(), REPLAY, slots)[1] for slots in (12, 5))
    for a, b in zip(many, few, strict=True):
        np.testing.assert_allclose(a.observations, b.observations, atol=1e-5)
        assert a.seed == b.seed


def test_a_cell_has_no_more_steps_than_allowed():
    params = replace(REPLAY, episodes_per_cell=3, max_per_cell_steps=13)
    _, episodes, figures = again(elites(2), params)
    assert [e.metadata["cell"] for e in episodes] == [0, 0, 2, 2]  # 12 steps each
    assert figures["episodes_over_steps"] == 2
    _, episodes, _ = again(elites(2), replace(params, max_per_cell_steps=1))
    assert [e.metadata["cell"] for e in episodes] == [0, 2]


def falls(first: bool) -> Any:
    """Terminations after the first step, of all episodes or of the odd slots."""

    def unhealthy(qpos: Any, qvel: Any) -> Any:
        fell = np.ones(len(qpos), bool)
        if not first:
            fell[::2] = False
        return fell

    return unhealthy


def test_short_episodes_are_dropped_and_counted():
    _, episodes, figures = again(elites(), REPLAY, unhealthy=falls(first=False))
    assert [e.metadata["cell"] for e in episodes] == [0, 2, 4, 6, 8, 10]
    assert (figures["episodes_short"], figures["episodes_over_steps"]) == (6, 0)
    assert min(len(e) for e in episodes) > 1
    with pytest.raises(RefusedError, match="12, all shorter than 2 steps"):
        again(elites(), REPLAY, unhealthy=falls(first=True))


def test_discrete_worlds_are_refused():
    with pytest.raises(RefusedError, match="cartpole, whose actions are discrete"):
        Arena(load("cartpole"), 2)


def test_a_genome_has_as_many_numbers_as_counted():
    assert genes(WIDTHS) == elites().genome.shape[1]
