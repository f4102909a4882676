"""Scenes: tell shape and texture of what is seen in a small picture.

| | shape | unit |
|---|---|---|
| observation | (768,) | colours of 3 x 16 x 16 pixels, channel by channel, [0, 1] |
| action | one of 10 | the class |

A class is 2 shape + texture: shapes disc, square, triangle, ring, cross; textures
stripes and checks, of two tones of a colour. Place, size, angle, colours, the direction
and strength of the light and the noise of the sensor are drawn anew for each picture:

| what | drawn |
|---|---|
| class | evenly |
| place | U(-0.2, 0.2) of half the picture's width, each axis |
| size, half the shape's width | U(0.55, 0.85) of half the picture's width |
| angle of the shape, of the texture | U(0, 2 pi) |
| wavelength of the texture | U(4, 6) pixels |
| colours of background and shape | U(0, 1) a channel; the shape's tones: +- 0.28 |
| light | brightness U(0.6, 1), slope U(0, 0.4) in a direction of U(0, 2 pi) |
| noise | normal a channel and pixel, deviation 0.06 |

Reward 1 for the right class, else 0; whatever the answer, the next picture is shown.
Never terminates; truncated after 50 pictures, as one an episode would make a dataset of
20 000 take minutes to read. One step has no duration, the control step is called 1 s.

The renderer is our own; :class:`ScenesEnv` is one such environment for Gymnasium.
"""

import math
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from tasks.worlds import Actions, Batch, Flags, Floats, World, WorldParams
from tasks.worlds.cores.endless import Endless

SIDE, COLOURS, CLASSES = 16, 3, 10
WIDTH = COLOURS * SIDE * SIDE
FINE = 2  # samples a pixel and axis
CONTRAST, NOISE = 0.28, 0.06


def render(seed: int, number: int) -> tuple[NDArray[np.float32], int]:
    """Draw a picture: the seed and the number decide all that the tables above list.

    Args:
        seed: Start seed of the episode.
        number: Of the picture in it, 0...

    Returns:
        Its colours (768,), channel by channel, and its class, 0..9.
    """
    draw = np.random.default_rng([seed, number])
    label = int(draw.integers(CLASSES))
    place = draw.uniform(-0.2, 0.2, 2)
    size = draw.uniform(0.55, 0.85)
    angle, grain, sun = draw.uniform(0, 2 * math.pi, 3)
    wave = draw.uniform(4, 6) * 2 / SIDE  # of half the picture's width
    phase = draw.uniform(0, 2 * math.pi, 2)
    ground, paint = draw.uniform(0, 1, (2, COLOURS))
    bright, slope = draw.uniform(0.6, 1), draw.uniform(0, 0.4)

    at = (np.arange(SIDE * FINE) + 0.5) * 2 / (SIDE * FINE) - 1
    x, y = at[None, :], at[:, None]
    u, v = _turned(x - place[0], y - place[1], angle)
    inside = _inside(label // 2, u / size, v / size)
    p, q = _turned(x, y, grain)
    ripple = np.sin(2 * math.pi * p / wave + phase[0])
    if label % 2:
        ripple = ripple * np.sin(2 * math.pi * q / wave + phase[1])
    tone = np.where(ripple > 0, CONTRAST, -CONTRAST)
    shape = np.clip(paint[:, None, None] + tone, 0, 1)  # (3, 32, 32)
    scene = np.where(inside, shape, ground[:, None, None])
    light = bright * (1 + slope * (x * math.cos(sun) + y * math.sin(sun)))
    fine = (scene * light).reshape(COLOURS, SIDE, FINE, SIDE, FINE)
    colours = fine.mean(axis=(2, 4))
    colours += NOISE * draw.standard_normal((COLOURS, SIDE, SIDE))
    return np.clip(colours, 0, 1).astype(np.float32).ravel(), label


def _turned(x: Floats, y: Floats, angle: float) -> tuple[Floats, Floats]:
    """Coordinates along axes turned by an angle."""
    cos, sin = math.cos(angle), math.sin(angle)
    return x * cos + y * sin, y * cos - x * sin


def _inside(shape: int, u: Floats, v: Floats) -> Flags:
    """Which points lie inside a shape of about half width 1."""
    across, up = np.abs(u), np.abs(v)
    widest, radius = np.maximum(across, up), np.hypot(u, v)
    shapes = (
        radius < 0.9,
        widest < 0.8,
        (v > -0.6) & (math.sqrt(3) * across + v < 1.1),
        (radius > 0.5) & (radius < 1.0),
        (np.minimum(across, up) < 0.33) & (widest < 1.0),
    )
    return shapes[shape]


class ScenesEnv(gymnasium.Env[Any, Any]):
    """One such environment; what a recorded dataset's environment is made of."""

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012

    def __init__(self) -> None:
        self.observation_space = Box(0, 1, (WIDTH,), np.float32)
        self.action_space = Discrete(CLASSES)
        self._seed, self._number = 0, 0
        self._picture, self._label = render(0, 0)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """The first picture of the seed; without one, of a seed Gymnasium draws."""
        super().reset(seed=seed, options=options)
        drawn = int(self.np_random.integers(2**31))
        self._seed, self._number = drawn if seed is None else seed, 0
        return self._show(), {}

    def step(
        self, action: int
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Judge the answer and show the next picture."""
        reward = float(action == self._label)
        self._number += 1
        return self._show(), reward, False, False, {}

    def _show(self) -> NDArray[np.float32]:
        self._picture, self._label = render(self._seed, self._number)
        return self._picture


class ScenesBatch(Batch):
    """Pictures and their classes as arrays."""

    def __init__(self, world: World, num_envs: int) -> None:
        super().__init__(world, num_envs)
        self.seed: NDArray[np.int64] = np.zeros(num_envs, np.int64)
        self.number: NDArray[np.int64] = np.zeros(num_envs, np.int64)
        self.picture = np.zeros((num_envs, WIDTH), np.float32)
        self.label: NDArray[np.int64] = np.zeros(num_envs, np.int64)

    def _reset_one(self, i: int, seed: int) -> None:
        self.seed[i], self.number[i] = seed, 0
        self._show(i)

    def _show(self, i: int) -> None:
        self.picture[i], self.label[i] = render(int(self.seed[i]), int(self.number[i]))

    def _step(self, actions: Actions, live: Flags) -> tuple[Floats, Flags]:
        rewards = np.where(live & (actions == self.label), 1.0, 0.0)
        self.number[live] += 1
        for i in map(int, np.flatnonzero(live)):
            self._show(i)
        return rewards, np.zeros(self.num_envs, dtype=bool)

    def _observe(self) -> Floats:
        return self.picture.copy()

    def answers(self) -> NDArray[np.int64]:
        """The right action of each picture, (N,): what a teacher knows."""
        return self.label.copy()

    def state(self) -> dict[str, NDArray[Any]]:
        """Start seed and number of the picture, ``seed`` and ``number`` (N,)."""
        return {"seed": self.seed.copy(), "number": self.number.copy()}

    def reset_to(self, state: Mapping[str, NDArray[Any]]) -> Floats:
        """Show the pictures of ``seed`` and ``number``, (N,) each."""
        self.seed = np.array(state["seed"], np.int64)
        self.number = np.array(state["number"], np.int64)
        for i in range(self.num_envs):
            self._show(i)
        return self._restarted()


class Scenes(Endless, World):
    """Pictures to tell apart; the module says what is drawn."""

    batch = ScenesBatch
    env_ids = ("Scenes-v0",)

    def __init__(self, params: WorldParams) -> None:
        super().__init__(params)
        self.observation_space = Box(0, 1, (WIDTH,), np.float32)
        self.action_space = Discrete(CLASSES)
        self.step_seconds = 1.0

    def env_spec(self) -> EnvSpec:
        """Gymnasium has no such environment, so its recipe names our own class."""
        return EnvSpec(
            self.params.env_id,
            entry_point=f"{ScenesEnv.__module__}:{ScenesEnv.__name__}",
            max_episode_steps=self.params.max_steps,
        )
