"""From logged episodes to scored int8 ONNX files, as a user of d3rlpy would write it.

    python peer_script.py DATASET WORLD OUT UPDATES EPISODES SEED...

DATASET is a Minari HDF5 file, WORLD a Gymnasium id. It runs in d3rlpy's environment
with onnxruntime and mujoco; ``end_to_end.py`` times it beside the graph. Two learners,
one policy a seed, float32 and int8 files, each played; what Offcut does beside, such as
parity, intervals, contracts, latencies and a report, is not in it.
"""

import functools
import sys
from pathlib import Path

import d3rlpy
import gymnasium
import h5py
import numpy as np
import onnxruntime
import torch
from d3rlpy.logging import NoopAdapterFactory
from d3rlpy.models import VectorEncoderFactory
from onnxruntime.quantization import CalibrationDataReader, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

# torch 2.13's new exporter refuses what d3rlpy 2.8.1 hands it
torch.onnx.export = functools.partial(torch.onnx.export, dynamo=False)

data, world, out = sys.argv[1], sys.argv[2], Path(sys.argv[3])
updates, plays, *seeds = map(int, sys.argv[4:])
out.mkdir(parents=True, exist_ok=True)

episodes = []
with h5py.File(data) as file:
    for k in range(len(file)):
        group = file[f"episode_{k}"]
        ended = bool(group["terminations"][-1])
        o, a, r = (group[name][:] for name in ("observations", "actions", "rewards"))
        observation, reward = o[:-1].astype(np.float32), r[:, None].astype(np.float32)
        action = a.astype(np.float32)
        episode = d3rlpy.dataset.Episode(observation, action, reward, terminated=ended)
        episodes.append(episode)
buffer = d3rlpy.dataset.InfiniteBuffer()
replay = d3rlpy.dataset.ReplayBuffer(buffer, episodes=episodes)
rows = np.concatenate([episode.observations for episode in episodes])
rows = rows[np.random.default_rng(0).choice(len(rows), 1000, replace=False)]


class Rows(CalibrationDataReader):
    """A thousand logged observations, one a call."""

    def __init__(self) -> None:
        self.left = iter(rows)

    def get_next(self) -> dict | None:
        """The next row, as the quantiser asks for them."""
        row = next(self.left, None)
        return None if row is None else {"input_0": row[None]}


def score(path: Path) -> float:
    """Mean return of some episodes in the world."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)
    env, returns = gymnasium.make(world), []
    for k in range(plays):
        observation, _ = env.reset(seed=k)
        total, ended = 0.0, False
        while not ended:
            x = observation[None].astype(np.float32)
            action = session.run(None, {"input_0": x})[0][0]
            observation, reward, terminated, truncated, _ = env.step(action)
            total, ended = total + reward, terminated or truncated
        returns.append(total)
    return float(np.mean(returns))


actor, critic = VectorEncoderFactory([128, 128]), VectorEncoderFactory([64, 64])
both = {"actor_encoder_factory": actor, "critic_encoder_factory": critic}
rates = {"actor_learning_rate": 1e-3, "critic_learning_rate": 1e-3}
scaler = {"observation_scaler": d3rlpy.preprocessing.StandardObservationScaler()}
same = {"batch_size": 256, "tau": 0.03, **both, **rates, **scaler}
configs = {
    "awac": d3rlpy.algos.AWACConfig(lam=1 / 3, **same),
    "iql": d3rlpy.algos.IQLConfig(value_encoder_factory=critic, **same),
}
for name, config in configs.items():
    for seed in seeds:
        d3rlpy.seed(seed)
        algo = config.create(device="cpu")
        algo.fit(
            replay,
            n_steps=updates,
            n_steps_per_epoch=updates,
            logger_adapter=NoopAdapterFactory(),
            show_progress=False,
        )
        path, small = out / f"{name}-{seed}.onnx", out / f"{name}-{seed}-int8.onnx"
        algo.save_policy(str(path))
        quant_pre_process(path, out / "folded.onnx")  # else Gemm stays in float
        quantize_static(out / "folded.onnx", small, Rows())
        for file in (path, small):
            row = file.name, file.stat().st_size, round(score(file), 1)
            print(*row, flush=True)  # noqa: T201
