"""A film of MuJoCo's own pictures: two side by side, as an animated WebP."""

import base64
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tasks.artifacts.errors import RefusedError

WIDE, HIGH = 320, 240  # of one picture, pixels
STRIP, MARGIN, GAP = 30, 8, 4  # of the line of text below it
DARK, LIGHT = (27, 30, 35), (229, 231, 234)
DRAWERS = ("egl", "osmesa")  # of MUJOCO_GL, where nobody chose one
LIMIT = 120  # seconds for all pictures
HOLD = 1000  # milliseconds that the last picture stays longer
# quality of WebP and how many pictures are passed over, the first that is small enough
TRIED = ((60, 1), (35, 1), (35, 2), (15, 3))


def model_of(world: Any) -> Any:
    """MuJoCo's model of a world.

    Raises:
        RefusedError: If the world has none.
    """
    single = getattr(world, "single", None)
    model = getattr(single().unwrapped, "model", None) if single else None
    if type(model).__module__.split(".")[0] != "mujoco":
        found = f"{world.params.env_id}, which nothing here draws"
        drawn = "a world of MuJoCo, taxi, a maze, pendulum or cartpole"
        where = f"world {world.params.name}"
        raise RefusedError(where, "env_id", found, drawn, "set report.html.film to 0")
    return model


def rendered(
    model: Any, sides: Sequence[tuple[NDArray[Any], NDArray[Any]]]
) -> list[NDArray[np.uint8]]:
    """Pictures (n, HIGH, WIDE, 3) of each side.

    Args:
        model: MuJoCo's ``MjModel``.
        sides: ``qpos`` (n, nq) and ``qvel`` (n, nv) of each.

    Raises:
        RefusedError: If nothing draws here.
    """
    import mujoco

    states = np.concatenate([np.concatenate(side, axis=1) for side in sides])
    program = Path(__file__).with_name("renderer.py")
    chosen = os.environ.get("MUJOCO_GL")
    said = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mujoco.mj_saveModel(model, str(folder / "model.mjb"), None)
        states.astype(np.float64).tofile(folder / "states.bin")
        command = [sys.executable, str(program), name, str(WIDE), str(HIGH)]
        for drawer in [chosen] if chosen else DRAWERS:
            env = {**os.environ, "MUJOCO_GL": drawer}
            try:
                ran = subprocess.run(
                    command, env=env, cwd=name, capture_output=True, text=True,
                    timeout=LIMIT, check=False,
                )  # fmt: skip
            except (OSError, subprocess.TimeoutExpired) as error:
                said.append(f"{drawer}: {type(error).__name__}")
                continue
            if ran.returncode == 0:
                pictures = np.fromfile(folder / "pictures.bin", np.uint8)
                return list(pictures.reshape(len(sides), -1, HIGH, WIDE, 3))
            last = (ran.stderr.strip().splitlines() or [f"ended by {ran.returncode}"])[
                -1
            ]
            said.append(f"{drawer}: {last:.120}")
    raise RefusedError(
        "MUJOCO_GL",
        "renderer",
        "; ".join(said),
        "one that draws without a screen",
        "install libegl1 or libosmesa6, then run: python -m tasks.report",
    )


def side_by_side(
    sides: Sequence[NDArray[np.uint8]],
    texts: Sequence[Sequence[str]],
    seconds: float,
    limit: int,
    label: str,
) -> Markup:
    """An image element, with the first picture alone for who wants no motion.

    Args:
        sides: (n, HIGH, WIDE, 3) each.
        texts: Below each picture, n a side.
        seconds: Between pictures.
        limit: Bytes of the text it becomes.
        label: Read aloud.

    Raises:
        RefusedError: If it is not small enough at any quality.
    """
    frames = [
        _frame(pictures, words)
        for pictures, words in zip(
            zip(*sides, strict=True), zip(*texts, strict=True), strict=True
        )
    ]
    size = 0
    for quality, every in TRIED:
        moving = _webp(frames[::every], quality, round(1000 * seconds * every))
        still = _webp(frames[-1:], quality, 0)
        size = len(moving) + len(still)
        if size <= limit:
            return Markup(
                '<picture><source media="(prefers-reduced-motion: reduce)" '
                'srcset="{}"><img src="{}" alt="{}" width="{}" height="{}"></picture>'
            ).format(still, moving, label, *frames[0].size)
    found, expected = (f"{count / 1e3:.0f} kB" for count in (size, limit))
    mend = "lower report.html.film"
    raise RefusedError("the film", "size", found, f"at most {expected}", mend)


def _frame(pictures: Sequence[NDArray[np.uint8]], words: Sequence[str]) -> Image.Image:
    """Pictures beside each other with their lines below."""
    wide = len(pictures) * (WIDE + GAP) - GAP
    frame = Image.new("RGB", (wide, HIGH + STRIP), DARK)
    draw, font = ImageDraw.Draw(frame), ImageFont.load_default(20)
    for i, (picture, line) in enumerate(zip(pictures, words, strict=True)):
        left = i * (WIDE + GAP)
        frame.paste(Image.fromarray(picture), (left, 0))
        draw.text((left + MARGIN, HIGH + 3), line, LIGHT, font)
    return frame


def _webp(frames: Sequence[Image.Image], quality: int, each: int) -> str:
    """An animation without end as a data URI; the last picture stays a second."""
    file, more = io.BytesIO(), {}
    if len(frames) > 1:
        times = [each] * (len(frames) - 1) + [each + HOLD]
        more = {"save_all": True, "append_images": frames[1:], "duration": times}
    frames[0].save(file, "WEBP", quality=quality, method=4, loop=0, **more)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
