"""A diffusion policy by another sampler beside a made-up study."""

import json
from pathlib import Path
from unittest.mock import patch

import yaml

from tasks.artifacts.files import json_sha256
from tests.study_files import SEEDS, VARIANTS, dump, dump_sealed, write_variant

SPEC = {"name": "unipc", "noises": 1, "steps": []}


def add_sampled(root: Path, dataset: str) -> None:
    """Write what the learner dql leaves by unipc, in three and in five calls."""
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["study"]["sampled"] = {
        "policies": ["dql"],
        "variants": ["float32"],
        "samplers": ["unipc"],
        "steps": [3, 5],
    }
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    for calls in (3, 5):
        name = f"float32-unipc-{calls}"
        more = (-2.0, 50.0 + calls, 30.0, 900.0, 1000, 32, "exact")
        with patch.dict(VARIANTS, {name: more}):
            write_variant(root, dataset, "hopper", "dql", name)
        folder = root / "data/onnx" / dataset / "dql" / name
        seeds = []
        for seed in SEEDS:
            path = folder / f"seed-{seed}.json"
            entry = {"name": "unipc", "calls": calls, "plan_sha256": json_sha256(SPEC)}
            dump(path, json.loads(path.read_text()) | {"sampler": entry})
            seeds.append({"seed": seed, "spec": SPEC, **entry})
        dump_sealed(folder / "sampler.json", {
            "schema": 1, "sampler": "unipc", "calls": calls,
            "fine": {"sampler": "ddim", "calls": 20},
            "action_error": {"mean": 0.0123 * calls, "max": 0.4}, "seeds": seeds,
        })  # fmt: skip
