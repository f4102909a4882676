"""Environments of Gymnasium with other physics, built by hand."""

from collections.abc import Mapping
from typing import Any

import gymnasium
import mujoco

from tests.worlds.harness import load

MUJOCO = ("hopper", "halfcheetah", "walker2d", "swimmer_omni")
# slices of a batch: nominal, each parameter by itself, all together
FACTORS: dict[str, dict[str, float]] = {
    "cartpole": {"gravity": 1.7, "cart": 0.3, "mass": 2.3, "length": 1.9, "force": 0.7},
    "pendulum": {"gravity": 0.5, "mass": 1.3, "length": 0.7},
    "hopper": {"mass_torso": 0.3, "friction": 0.4, "gear": 1.2, "gravity": 0.8},
    "halfcheetah": {"mass_bthigh": 1.4, "friction": 2.5, "damping": 0.6, "gravity": 2},
    "walker2d": {"mass": 1.3, "mass_thigh": 0.4, "friction": 0.0, "damping": 3.0},
    "swimmer_omni": {"mass_mid": 1.5, "gear": 0.5},
}
ATTRIBUTES = {
    "cartpole": {
        "gravity": "gravity",
        "cart": "masscart",
        "mass": "masspole",
        "length": "length",
        "force": "force_mag",
    },
    "pendulum": {"gravity": "g", "mass": "m", "length": "l"},
}


def by_hand(name: str, psi: Mapping[str, float]) -> Any:
    """Gymnasium's own environment, its attributes or its model edited."""
    env = gymnasium.make(load(name).env_spec())
    bare: Any = env.unwrapped
    if name in ATTRIBUTES:
        for key, factor in psi.items():
            where = ATTRIBUTES[name][key]
            setattr(bare, where, getattr(bare, where) * factor)
        if name == "cartpole":
            bare.total_mass = bare.masspole + bare.masscart
            bare.polemass_length = bare.masspole * bare.length
        return env
    model = bare.model
    for key, factor in psi.items():
        if key.startswith("mass"):
            rows = slice(None) if key == "mass" else model.body(key[5:]).id
            model.body_mass[rows] *= factor
            model.body_inertia[rows] *= factor
    model.geom_friction[:] *= psi.get("friction", 1.0)
    model.dof_damping[:] *= psi.get("damping", 1.0)
    model.actuator_gear[:] *= psi.get("gear", 1.0)
    model.opt.gravity[:] *= psi.get("gravity", 1.0)
    if psi:
        mujoco.mj_setConst(model, mujoco.MjData(model))
    return env
