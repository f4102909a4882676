"""Write environment.json: ``python -m tasks.artifacts.environment``.

It says what numbers depend on beside code, parameters and data: processor, platform,
versions of packages, threads. Stages that compute floats depend on the file, so they
run again on another machine or with other versions. Git does not track it.
"""

import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypedDict

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import canonical, read_json, write_text
from tasks.artifacts.stage import run_stage
from tasks.artifacts.typed_json import check_typed

PATH = Path("environment.json")
WRITE = "python -m tasks.artifacts.environment"
PACKAGES = (
    "gymnasium",
    "gymnasium-robotics",
    "h5py",
    "minari",
    "mujoco",
    "numpy",
    "onnx",
    "onnxruntime",
    "pandas",
    "pyarrow",
    "safetensors",
    "torch",
)
# instruction sets that change which kernels torch and onnxruntime pick
FLAGS = (
    "amx_bf16",
    "amx_int8",
    "amx_tile",
    "avx",
    "avx2",
    "avx512_bf16",
    "avx512_vnni",
    "avx512f",
    "avx_vnni",
    "f16c",
    "fma",
    "asimd",
    "asimddp",
    "bf16",
    "i8mm",
    "sve",
)


class Processor(TypedDict):
    """What computes."""

    model: str
    cores: int | None
    flags: list[str]


class Environment(TypedDict):
    """``environment.json``."""

    python: str
    platform: dict[str, str]
    cpu: Processor
    threads: int
    packages: dict[str, str | None]


def environment(cpuinfo: str) -> dict[str, Any]:
    """Describe the environment of this process, as plain values for JSON.

    Args:
        cpuinfo: The text of /proc/cpuinfo, empty where there is none.

    Returns:
        ``schema``, ``python``, ``platform`` (system, machine, libc), ``cpu`` (model,
        cores, flags), ``threads`` (of this process, from OMP_NUM_THREADS) and
        ``packages``, name to version or None.
    """
    fields: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    flags = set((fields.get("flags") or fields.get("Features") or "").split())
    return {
        "schema": 1,
        "python": platform.python_version(),
        "platform": {
            "system": platform.system(),
            "machine": platform.machine(),
            "libc": " ".join(platform.libc_ver()),
        },
        "cpu": {
            "model": fields.get("model name") or platform.processor() or "unknown",
            "cores": os.cpu_count(),
            "flags": sorted(flags.intersection(FLAGS)),
        },
        "threads": int(os.environ["OMP_NUM_THREADS"]),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def _version(package: str) -> str | None:
    """The version of a package that is installed, else None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def read_environment(path: Path = PATH) -> Environment:
    """Read the file, of this machine or another.

    Raises:
        RefusedError: If it is missing, no JSON or not as described.
    """
    return check_typed(
        read_json(path, WRITE), Environment, path, f"write it again with: {WRITE}"
    )


def check_environment() -> None:
    """Refuse a file that does not describe this process.

    Raises:
        RefusedError: Names the first field that differs.
    """
    now = json.loads(current())
    there = read_json(PATH, WRITE)
    if not isinstance(there, dict):
        there = {}
    for key in sorted({*now, *there}):
        if there.get(key) != now.get(key):
            raise RefusedError(
                PATH,
                key,
                there.get(key),
                f"{now.get(key)}, as of this machine",
                f"write it again with: {WRITE}",
            )


def current() -> str:
    """What the file shall hold for this process."""
    cpuinfo = Path("/proc/cpuinfo")
    return canonical(environment(cpuinfo.read_text() if cpuinfo.exists() else ""))


def main() -> None:
    """Write the file, unless it stands there with the same content."""
    text = current()
    if not PATH.exists() or PATH.read_text(encoding="utf-8") != text:
        write_text(PATH, text)


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
