"""Peers in virtual environments of their own, made on first use.

They lie in ``.offcut/peers`` and never touch the project's. pip is used as the user
configured it, with the versions of ``d3rlpy.txt`` and ``jax.txt``.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = HERE.parent / ".offcut/peers"


def python(name: str = "d3rlpy") -> Path:
    """The interpreter that has a peer, installed if it is not yet.

    Args:
        name: ``d3rlpy`` or ``jax``.

    Raises:
        subprocess.CalledProcessError: If it cannot be installed.
    """
    folder, requirements = FOLDER / name, HERE / f"{name}.txt"
    inside = folder / "bin/python"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    stamp = folder / f"installed-{digest}"
    if not stamp.exists():
        print(f"installing {name} into {folder}", file=sys.stderr)  # noqa: T201
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [inside, "-m", "pip", "install", "--quiet", "-r", requirements]
        subprocess.run(pip, check=True, stdout=sys.stderr)
        stamp.touch()
    return inside


if __name__ == "__main__":
    print(python(*sys.argv[1:]))  # noqa: T201
