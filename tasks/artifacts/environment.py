"""Write environment.json: ``python -m tasks.artifacts.environment``.

It says what numbers depend on beside code, parameters and data: processor, platform,
versions of packages, threads. Stages that compute floats depend on the file, so they
run again on another machine or with other versions. Git does not track it.
"""

import os
import platform
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from tasks.artifacts.files import canonical, write_text
from tasks.artifacts.stage import run_stage

PATH = Path("environment.json")
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
    versions = {d.name.lower(): d.version for d in distributions()}
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
        "packages": {name: versions.get(name) for name in PACKAGES},
    }


def main() -> None:
    """Write the file, unless it stands there with the same content."""
    cpuinfo = Path("/proc/cpuinfo")
    text = canonical(environment(cpuinfo.read_text() if cpuinfo.exists() else ""))
    if not PATH.exists() or PATH.read_text(encoding="utf-8") != text:
        write_text(PATH, text)


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
