"""The stages start quickly: they import nothing heavy."""

import subprocess
import sys

HEAVY = ("torch", "pandas", "scipy", "minari", "h5py", "prefect", "jax")


def test_evaluate_and_profile_import_nothing_heavy() -> None:
    program = (
        "import sys, tasks.evaluate.__main__, tasks.evaluate.returns\n"
        "import tasks.profile.__main__, tasks.profile.latency\n"
        "import tasks.worlds.hopper, tasks.worlds.pendulum, pyarrow.parquet\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
