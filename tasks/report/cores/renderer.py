"""Pictures of a MuJoCo model in given states, in a process of its own.

MuJoCo chooses what draws when it is imported, and a graphics driver may end the process
it is loaded into: so this file is run as a program, ``renderer.py FOLDER WIDE HIGH``,
and imports nothing of the project. It reads ``model.mjb`` and ``states.bin``, float64
(n, nq + nv), ``qpos`` and ``qvel`` of each picture, and writes ``pictures.bin``, uint8
(n, HIGH, WIDE, 3): plain numbers, of which both sides know the shape.
"""

import sys
from pathlib import Path

import mujoco
import numpy as np


def main(folder: Path, wide: int, high: int) -> None:
    """Draw every state, seen by the model's camera ``track`` if it has one."""
    model = mujoco.MjModel.from_binary_path(str(folder / "model.mjb"))
    model.vis.global_.offwidth, model.vis.global_.offheight = wide, high
    data, width = mujoco.MjData(model), model.nq + model.nv
    states = np.fromfile(folder / "states.bin").reshape(-1, width)
    camera = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, "track")
    pictures = np.empty((len(states), high, wide, 3), np.uint8)
    with mujoco.Renderer(model, high, wide) as renderer:
        for picture, state in zip(pictures, states, strict=True):
            data.qpos[:], data.qvel[:] = np.split(state, [model.nq])
            mujoco.mj_forward(model, data)
            renderer.update_scene(data, camera=camera)
            # without a graphics card these make it take four times as long
            for flag in ("SHADOW", "REFLECTION"):
                renderer.scene.flags[getattr(mujoco.mjtRndFlag, f"mjRND_{flag}")] = 0
            renderer.render(out=picture)
    pictures.tofile(folder / "pictures.bin")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
