"""d3rlpy in a virtual environment of its own, made on first use.

It lies in ``.offcut/peers/d3rlpy`` and never touches the project's. pip is used as the
user configured it, with the versions of ``d3rlpy.txt``.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = HERE.parent / ".offcut/peers/d3rlpy"


def python() -> Path:
    """The interpreter that has d3rlpy, installed if it is not yet.

    Raises:
        subprocess.CalledProcessError: If it cannot be installed.
    """
    requirements, inside = HERE / "d3rlpy.txt", FOLDER / "bin/python"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    stamp = FOLDER / f"installed-{digest}"
    if not stamp.exists():
        print(f"installing d3rlpy into {FOLDER}", file=sys.stderr)  # noqa: T201
        subprocess.run([sys.executable, "-m", "venv", "--clear", FOLDER], check=True)
        pip = [inside, "-m", "pip", "install", "--quiet", "-r", requirements]
        subprocess.run(pip, check=True, stdout=sys.stderr)
        stamp.touch()
    return inside


if __name__ == "__main__":
    print(python())  # noqa: T201
