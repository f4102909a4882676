"""Films of flat worlds as animated SVG: a taxi, a maze, a pendulum, a cart with a pole.

What stands still is drawn once; what moves is a group with one list of places, so that
a film is some kilobytes and as sharp as the screen. Pages move what is in the picture
from the moment they are opened, so two films of as many states keep step.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from tasks.report.cores.svg import line, svg, tag

SIDE = 200.0  # of the square that a world is drawn in, user units
PARTS = (5, 5, 5, 4)  # of a taxi's place: row, column, passenger, destination
TRACK = 4.8  # of a cart, m
State = dict[str, Any]
Draw = Callable[[Any, Sequence[State], float], list[Markup]]


def drawing(world: Any) -> Draw | None:
    """What draws a world; None if nothing here does."""
    return _maze if hasattr(world, "maze") else DRAWN.get(world.params.env_id)


def animated(
    draw: Draw, world: Any, states: Sequence[State], seconds: float, label: str
) -> Markup:
    """A picture that moves.

    Args:
        draw: Of :func:`drawing`.
        world: What is drawn.
        states: Of the world, one a moment.
        seconds: Between moments.
        label: Read aloud.
    """
    side = round(SIDE)
    return svg(side, side, label, *draw(world, states, seconds), class_="film")


def _moving(
    shape: Markup, values: Sequence[str], seconds: float, kind: str = "translate"
) -> Markup:
    """A shape on its way; ``values`` of the transformation, one a moment."""
    animation = tag(
        "animateTransform",
        attributeName="transform",
        type=kind,
        values=";".join(values),
        dur=f"{len(values) * seconds:g}s",
        repeatCount="indefinite",
    )
    return tag("g", shape, animation)


def _places(points: Sequence[tuple[float, float]]) -> list[str]:
    return [f"{x:.1f},{y:.1f}" for x, y in points]


def _disc(radius: float, class_: str) -> Markup:
    return tag("circle", r=radius, class_=class_)


def _box(x: float, y: float, wide: float, high: float, class_: str) -> Markup:
    return tag("rect", x=x, y=y, width=wide, height=high, class_=class_)


def _taxi(world: Any, states: Sequence[State], seconds: float) -> list[Markup]:
    """The grid, its walls and four places; where the passenger wants to go is green."""
    env, cell = world.single(), SIDE / 5
    parts = [np.unravel_index(int(state["place"]), PARTS) for state in states]
    goal = int(parts[0][3])
    drawn = [_box(0, 0, SIDE, SIDE, "frame")]
    for i in range(1, 5):
        drawn += [
            line(cell * i, 0, cell * i, SIDE, "grid"),
            line(0, cell * i, SIDE, cell * i, "grid"),
        ]
    for number, (row, column) in enumerate(env.locs):
        middle = {"x": cell * (column + 0.5), "y": cell * (row + 0.5) + 5}
        if number == goal:
            drawn.append(_box(cell * column + 1, cell * row + 1, 38.0, 38.0, "goal"))
        drawn.append(tag("text", "RGYB"[number], **middle, class_="mid"))
    for row in range(5):
        for column in range(4):
            if env.desc[1 + row, 2 * column + 2] == b"|":
                x = cell * (column + 1)
                drawn.append(line(x, cell * row, x, cell * (row + 1), "wall"))
    taxi = [(cell * (c + 0.5), cell * (r + 0.5)) for r, c, *_ in parts]
    waits = [(cell * (c + 0.5), cell * (r + 0.5)) for r, c in env.locs]
    rides = [
        taxi[i] if passenger == 4 else waits[passenger]
        for i, (_, _, passenger, _) in enumerate(parts)
    ]
    car = _box(-13.0, -9.0, 26.0, 18.0, "thing")
    return [
        *drawn,
        _moving(car, _places(taxi), seconds),
        _moving(_disc(5.0, "rider"), _places(rides), seconds),
    ]


def _maze(world: Any, states: Sequence[State], seconds: float) -> list[Markup]:
    """The walls, the goal in green and the ball."""
    maze = world.maze
    cells = maze.maze_map
    scale = SIDE / max(len(cells), len(cells[0]))  # user units a cell
    drawn = [
        _box(scale * column, scale * row, scale, scale, "block")
        for row, cells_of_row in enumerate(cells)
        for column, cell in enumerate(cells_of_row)
        if cell == 1
    ]

    def places(name: str) -> list[str]:
        size = maze.maze_size_scaling / scale  # metres a user unit
        return _places(
            [
                (
                    (float(state[name][0]) + maze.x_map_center) / size,
                    (maze.y_map_center - float(state[name][1])) / size,
                )
                for state in states
            ]
        )

    return [
        *drawn,
        _moving(_disc(0.3 * scale, "goal"), places("goal"), seconds),
        _moving(_disc(0.15 * scale, "thing"), places("qpos"), seconds),
    ]


def _pendulum(world: Any, states: Sequence[State], seconds: float) -> list[Markup]:
    """A rod about its end; it shall stand upright."""
    del world
    angles = [f"{-math.degrees(float(state['qpos'][0])):.1f}" for state in states]
    rod = _box(-7.0, -75.0, 14.0, 75.0, "thing")
    middle = tag("g", _moving(rod, angles, seconds, "rotate"), _disc(3.0, "rider"),
                 transform=f"translate({SIDE / 2:g} {SIDE / 2:g})")  # fmt: skip
    return [_box(0, 0, SIDE, SIDE, "frame"), middle]


def _cartpole(world: Any, states: Sequence[State], seconds: float) -> list[Markup]:
    """A cart on its track, with its pole."""
    del world
    metre, floor = SIDE / TRACK, 140.0
    carts = [(SIDE / 2 + metre * float(s["qpos"][0]), floor) for s in states]
    angles = [f"{math.degrees(float(state['qpos'][1])):.1f}" for state in states]
    pole = _box(-2.5, -metre, 5.0, metre, "rider")
    whole = tag(
        "g",
        _box(-16.0, -9.0, 32.0, 18.0, "thing"),
        _moving(pole, angles, seconds, "rotate"),
    )
    return [
        _box(0, 0, SIDE, SIDE, "frame"),
        line(0, floor, SIDE, floor, "wall"),
        _moving(whole, _places(carts), seconds),
    ]


DRAWN: dict[str, Draw] = {
    "CartPole-v1": _cartpole,
    "Pendulum-v1": _pendulum,
    "Taxi-v4": _taxi,
}
