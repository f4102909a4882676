"""The file to ship beside its parent, as it acts."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.recorded import write_world
from tasks.evaluate.returns import play
from tasks.report.cores.drawn import animated, drawing
from tasks.report.cores.rendered import HIGH, WIDE, model_of, rendered, side_by_side
from tasks.report.engine.acting import Filmed, Pace, state_of
from tests.artifacts.test_onnx_policy import restate
from tests.browser import text
from tests.report.test_html import page
from tests.study_files import digest
from tests.worlds.harness import actions, load

ROOT = Path(__file__).parents[2]
Make = Callable[..., Path]
Patch = pytest.MonkeyPatch


def expert(world: str) -> Path:
    return ROOT / "data/behaviors" / world / "expert.onnx"


@pytest.mark.parametrize("name", ["cartpole", "pendulum", "taxi"])
def test_a_flat_world_becomes_a_picture_that_moves(name: str):
    pace = Pace.of(load(name).step_seconds, 1)
    steps = pace.every * (pace.count - 1)
    world = load(name, max_steps=steps)
    take = Filmed.of(expert(name), None, world).take(7, "auto", steps)
    assert len(take.states) == len(take.returns) == steps + 1
    draw = drawing(world)
    assert draw
    states, returns = take.frames(pace)
    drawn = animated(draw, world, states, pace.each, "moves")
    lists = re.findall(r' values="([^"]+)" dur="([\d.]+)s"', drawn)
    assert lists
    for values, lasts in lists:
        assert len(values.split(";")) == pace.count
        assert float(lasts) == pytest.approx(pace.count * pace.each)
    assert any(len(set(values.split(";"))) > 1 for values, _ in lists)
    assert "nan" not in drawn
    opened = Filmed.of(expert(name), None, world)
    told = play(opened.batch, opened, 0, np.array([7]), lambda *_: None)
    assert returns[-1] == take.returns[-1] == told.returns[0]
    assert returns[0] == 0


def test_a_ball_rolls_between_the_walls_of_its_maze():
    world = load("pointmaze_umaze")
    batch = world.make(1)
    batch.reset(seed=3)
    states = [state_of(batch)]
    for action in actions(world, 60, 1):
        batch.step(action)
        states.append(state_of(batch))
    draw = drawing(world)
    assert draw
    drawn = animated(draw, world, states, 0.01, "rolls")
    walls = re.findall(r'<rect x="(.*?)" y="(.*?)" width="40" height="40"', drawn)
    cells = sum(cell == 1 for row in world.maze.maze_map for cell in row)
    assert len(walls) == cells
    goals, balls = re.findall(r' values="([^"]+)"', drawn)
    assert len(set(goals.split(";"))) == 1
    for place in [*goals.split(";"), *balls.split(";")]:
        x, y = map(float, place.split(","))
        inside = [(0 < x - float(a) < 40 and 0 < y - float(b) < 40) for a, b in walls]
        assert not any(inside)


def test_a_film_ends_where_the_episode_does():
    world = load("taxi")
    take = Filmed.of(expert("taxi"), None, world).take(7, "auto", 200)
    steps = len(take.states) - 1
    assert take.ended
    pace = Pace.of(world.step_seconds, 60).no_longer(steps)
    assert (pace.every, pace.each, pace.count) == (1, 0.25, steps + 1)
    longer = Pace(1, 0.25, steps + 3)
    assert take.frames(longer)[1][-3:] == [take.returns[-1]] * 3
    assert Pace.of(0.008, 4) == Pace(10, 0.08, 51)


def robot(moments: int = 3) -> tuple[Any, list[Any]]:
    world = load("halfcheetah", max_steps=2 * moments)
    take = Filmed.of(expert("halfcheetah"), None, world).take(0, "auto", 2 * moments)
    states, _ = take.frames(Pace(2, 0.1, moments))
    sides = [np.stack([state[name] for state in states]) for name in ("qpos", "qvel")]
    return model_of(world), [tuple(sides)] * 2


def test_a_robot_is_drawn_by_mujoco_the_same_each_time(monkeypatch: Patch):
    model, sides = robot()
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    try:
        first, again = rendered(model, sides), rendered(model, sides)
    except RefusedError as error:
        pytest.skip(str(error))
    assert [p.shape for p in first] == [(3, HIGH, WIDE, 3)] * 2
    assert np.array_equal(first[0], first[1])
    assert first[0][0].std() > 20
    assert not np.array_equal(first[0][0], first[0][2])
    words = [["return 0.0"] * 3] * 2
    films = [side_by_side(p, words, 0.1, 100_000, "<b>") for p in (first, again)]
    assert films[0] == films[1]
    assert "data:image/webp;base64," in films[0]
    assert 'alt="&lt;b&gt;"' in films[0]
    assert len(films[0]) < 100_000
    with pytest.raises(RefusedError, match="expected at most 1 kB"):
        side_by_side(first, words, 0.1, 1_000, "")


def test_where_nothing_draws_it_is_said_in_a_line(monkeypatch: Patch):
    model, sides = robot()
    monkeypatch.setenv("MUJOCO_GL", "disable")
    with pytest.raises(RefusedError, match="install libegl1 or libosmesa6") as caught:
        rendered(model, sides)
    assert "\n" not in str(caught.value)
    with pytest.raises(RefusedError, match="which nothing here draws"):
        model_of(load("scenes"))


@pytest.fixture
def swings(make_study: Make) -> Path:
    """A study whose file to ship and its parent are real ones, of the pendulum."""
    root = make_study({"swings": "pendulum"}, learners=("td3_bc",))
    block = yaml.safe_load((ROOT / "params/world/pendulum.yaml").read_text())
    write_world(root / "data/datasets/swings-v0", block, 0.05, [])
    for variant in ("float32", "distill-int8_static"):
        for file in (root / f"data/onnx/swings/td3_bc/{variant}").glob("*.onnx"):
            shutil.copy(expert("pendulum"), file)
            shutil.copy(
                expert("pendulum").with_suffix(".json"), file.with_suffix(".json")
            )
            data = {"name": "swings", "sha256": digest("data", "swings")}
            seed = int(file.stem.removeprefix("seed-"))
            named = {"learner": "td3_bc", "variant": variant, "seed": seed}
            restate(file, both=True, dataset=data, **named)
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["report"]["html"]["film"] = 2
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    return root


def test_the_page_shows_both_and_prints_lines_that_run(
    swings: Path, monkeypatch: Patch
):
    drawn = page(swings, monkeypatch)
    assert drawn == page(swings, monkeypatch)  # the same bytes again
    said = text(drawn)
    assert "td3_bc / float32 whole episode:" in said
    assert "td3_bc / distill-int8_static whole episode:" in said
    assert "40 steps of 0.05 s, training seed" in said
    assert drawn.count('class="film"') == 2
    assert drawn.count("<animateTransform") == 2
    assert drawn.count('class="earned"') == 2
    lines = re.search(r'class="use">.*?<pre>(.*?)</pre>', drawn, re.DOTALL)
    assert lines
    code = lines[1].replace("&#34;", '"')
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}\nprint(action.shape)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ran.stdout == "(1, 1)\n"


def test_what_cannot_be_played_leaves_a_line_on_the_page(
    swings: Path, monkeypatch: Patch
):
    block = yaml.safe_load((ROOT / "params/world/hopper.yaml").read_text())
    write_world(swings / "data/datasets/swings-v0", block, 0.008, [])
    said = text(page(swings, monkeypatch))
    assert "There is no film here: data/onnx/swings/td3_bc/float32/seed-" in said
    assert "export a policy that was trained in this world" in said


def test_of_a_study_without_films_nothing_is_said(make_study: Make, monkeypatch: Patch):
    drawn = page(make_study(), monkeypatch)
    assert "Seen acting" not in drawn
    assert 'class="use"' in drawn


@pytest.mark.parametrize("path", sorted((ROOT / "params/study").glob("*smoke.yaml")))
def test_smoke_studies_have_none(path: Path):
    study = yaml.safe_load(path.read_text())
    own = study.get("report", {}).get("html", {}).get("film") == 0
    assert own or {"smoke", "predictors_smoke"} & {*map(str, study["defaults"])}
