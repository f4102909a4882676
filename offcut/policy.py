"""A policy from an ONNX file: checked, opened with onnxruntime, ready to act.

Shapes: B environments side by side, O numbers in an observation, A in an action, W
numbers of noise a step.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import onnxruntime
from numpy.typing import ArrayLike, NDArray

from offcut.check import check_graph
from offcut.contract import Contract, read_contract
from offcut.errors import RefusedError
from offcut.graph import Model, read_model

Floats = NDArray[np.float32]
BLOCK, STREAM = 64, 1  # steps whose noise is drawn at once; this use of a seed
LARGEST = 2**31 - 1  # bytes of a file, the limit of its format


@dataclass(frozen=True)
class State:
    """What B episodes carry from step to step.

    Attributes:
        carry: By name, (B, ...), as the file's contract lists it; often empty.
        seeds: (B,), of the noise of each episode.
        steps: (B,), taken so far.
        drawn: (B, 64, W), the noise of the block of steps each episode is in; W is 0
            where the policy takes none.
    """

    carry: dict[str, Floats]
    seeds: NDArray[np.int64]
    steps: NDArray[np.int64]
    drawn: Floats


@dataclass(frozen=True)
class Latency:
    """Time of one call of onnxruntime at batch 1 on one thread, microseconds."""

    p50_us: float
    p99_us: float
    calls: int


class Policy:
    """An exported policy.

    Attributes:
        path: Its file.
        contract: What the file says of itself.
        model: Its graph, read.
        session: Of onnxruntime, on the CPU.
    """

    def __init__(
        self, path: Path, data: bytes, model: Model, contract: Contract, threads: int
    ) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if contract["mode"] == "exact":
            options.add_session_config_entry("session.disable_quant_qdq", "1")
        self.session = onnxruntime.InferenceSession(
            data, options, providers=["CPUExecutionProvider"]
        )
        self.path, self.model, self.contract = path, model, contract
        self._carry: dict[str, Any] = contract["carry"]
        noise = contract["inputs"].get("noise", {})
        self._width = noise["shape"][1] if noise.get("acting") == "normal" else 0
        self._returned = ["action", *(f"next_{name}" for name in self._carry)]

    @classmethod
    def open(cls, path: str | Path, threads: int = 1) -> Self:
        """Open a file after checking it.

        Args:
            path: The .onnx file. The JSON that lay beside it when it was exported may
                be left behind; where it is there, its SHA-256 must be the file's.
            threads: Threads of onnxruntime.

        Raises:
            RefusedError: If the file is no ONNX model, its contract is missing or does
                not fit, or the graph is more than plain arithmetic inside one file.
        """
        path = Path(path)
        mend = "name an exported .onnx file"
        try:
            if (size := path.stat().st_size) > LARGEST:
                raise RefusedError(path, "size", size, f"at most {LARGEST}", mend)
            data = path.read_bytes()
        except OSError as error:
            raise RefusedError(path, "file", error.strerror, "a file", mend) from None
        try:
            model = read_model(data)
            contract = read_contract(path, data, model)
            check_graph(path, model)
        except ValueError as error:
            raise RefusedError(path, "content", error, "an ONNX model", mend) from None
        try:
            return cls(path, data, model, contract, threads)
        except Exception as error:  # onnxruntime raises several kinds
            runs = "a graph onnxruntime runs"
            raise RefusedError(path, "graph", error, runs, mend) from error

    def reset(self, count: int = 1, seed: int = 0) -> State:
        """The state with which episodes begin.

        Args:
            count: B, environments side by side.
            seed: Of the first one's noise, 0 or above; the next one's is one more.
                A policy that takes no noise looks at none.
        """
        carry = {
            name: np.full((count, *entry["shape"][1:]), entry["reset"], np.float32)
            for name, entry in self._carry.items()
        }
        drawn = np.empty((count, BLOCK, self._width), np.float32)
        steps = np.zeros(count, np.int64)
        return State(carry, seed + np.arange(count), steps, drawn)

    def restart(self, state: State, ended: ArrayLike) -> State:
        """Begin new episodes where some have ended, as vectorised environments do.

        Args:
            state: Of the step that ended them.
            ended: (B,), whether each did. Its next episode's noise seed is B more.
        """
        rows = np.asarray(ended, bool)
        fresh = self.reset(len(rows))
        carry = {
            name: np.where(rows.reshape(-1, *[1] * (value.ndim - 1)), value, before)
            for (name, value), before in zip(
                fresh.carry.items(), state.carry.values(), strict=True
            )
        }
        seeds = state.seeds + len(rows) * rows
        return replace(state, carry=carry, seeds=seeds, steps=state.steps * ~rows)

    def act(
        self, observation: ArrayLike, state: State, **inputs: ArrayLike
    ) -> tuple[NDArray[Any], State]:
        """One step of B episodes.

        Args:
            observation: (B, O), units of the world.
            state: What :meth:`reset` or the step before gave.
            inputs: By the names of the contract's other inputs, (B, width) each:
                ``legal``, 1 where an action is allowed, all are if it is missing;
                ``noise``, standard normal, drawn from the state's seeds if it is
                missing and the policy was made to be played with noise, else zero;
                ``reward``, of the step before; others are zero if missing.

        Returns:
            Actions (B, A), float32, inside the world's bounds, or their numbers (B,),
            int64; and the next state.

        Raises:
            RefusedError: If the policy has no such input, a shape is another, or a mask
                forbids every action.
        """
        rows = len(state.steps)
        given = {"observation": observation, **inputs}
        if unknown := given.keys() - self.contract["inputs"].keys():
            known = ", ".join(self.contract["inputs"])
            mend = "leave it out"
            raise RefusedError(self.path, "inputs", min(unknown), known, mend)
        if "noise" not in given and self._width:
            state = _drawn(state)
            given["noise"] = state.drawn[np.arange(rows), state.steps % BLOCK]
        feed: dict[str, NDArray[Any]] = dict(state.carry)
        for name, entry in self.contract["inputs"].items():
            shape = (rows, *entry["shape"][1:])
            if name not in given:
                feed[name] = np.full(shape, float(name == "legal"), np.float32)
                continue
            value = np.ascontiguousarray(given[name], np.float32)
            if value.shape != shape:
                mend = "give one row for each environment"
                raise RefusedError(self.path, name, value.shape, shape, mend)
            if name == "legal" and not (value > 0.5).any(axis=1).all():
                found, mend = "a mask that forbids every action", "mend the mask"
                raise RefusedError(self.path, name, found, "an allowed action", mend)
            feed[name] = value
        action, *after = self.session.run(self._returned, feed)
        carry = dict(zip(self._carry, after, strict=True))
        return action, replace(state, carry=carry, steps=state.steps + 1)

    def bench(self, calls: int = 5000, warm_up: int = 500) -> Latency:
        """Time single calls at batch 1, with inputs that are ready.

        Args:
            calls: Timed, at least 1.
            warm_up: Calls before the first timed one.
        """
        draw, feed = np.random.default_rng(0), dict(self.reset().carry)
        for name, entry in self.contract["inputs"].items():
            values = draw.standard_normal((1, *entry["shape"][1:]), np.float32)
            feed[name] = np.ones_like(values) if name == "legal" else values
        run, clock, taken = self.session.run, time.perf_counter_ns, []
        for _ in range(warm_up + calls):
            begin = clock()
            run(self._returned, feed)
            taken.append(clock() - begin)
        p50, p99 = np.percentile(taken[warm_up:], [50, 99]) / 1000
        return Latency(round(float(p50), 2), round(float(p99), 2), calls)


def _drawn(state: State) -> State:
    """The state with the noise of a new block where an episode begins one.

    The numbers are those that evaluation draws: they depend on seed and step alone.
    """
    begin = np.flatnonzero(state.steps % BLOCK == 0)
    if not len(begin):
        return state
    drawn, size = state.drawn.copy(), state.drawn.shape[1:]
    for row in begin:
        key = [int(state.seeds[row]), int(state.steps[row]) // BLOCK, STREAM]
        drawn[row] = np.random.default_rng(key).standard_normal(size, np.float32)
    return replace(state, drawn=drawn)
