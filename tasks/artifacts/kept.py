"""Results kept outside every stage's output, so that work that was killed goes on.

One JSON file a result, written whole. Its name is the hash of everything that the
result depends on, so a result that is there may be used, and whoever depends on
something else looks for another file.
"""

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tasks.artifacts.files import canonical, write_json

VERSIONED = ("torch", "numpy", "onnxruntime")


class Kept:
    """A folder of results.

    Args:
        folder: Made when the first result is saved.
        shared: What all results of this run depend on: code, inputs, whatever is plain
            JSON. The versions of torch, numpy and onnxruntime are always added.
    """

    def __init__(self, folder: Path, shared: Mapping[str, Any]) -> None:
        self.folder = folder
        self.shared = {
            **shared,
            "versions": {name: version(name) for name in VERSIONED},
        }

    def place(self, job: Mapping[str, Any]) -> Path:
        """A path of something's own, e.g. for a folder that several jobs read.

        Args:
            job: What it depends on beside what all share, plain JSON.
        """
        text = canonical({"job": job, "shared": self.shared})
        return self.folder / hashlib.sha256(text.encode()).hexdigest()

    def path(self, job: Mapping[str, Any]) -> Path:
        """The file of a job's result; see :meth:`place` for the argument."""
        return self.place(job).with_suffix(".json")

    def save(self, job: Mapping[str, Any], result: Any) -> None:
        """Keep a result, plain JSON without NaN or infinities."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.path(job), result)

    def load(self, job: Mapping[str, Any]) -> Any | None:
        """A job's result; None where nothing whole is kept of it."""
        try:
            return json.loads(self.path(job).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
