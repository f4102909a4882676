"""A small search, for tests."""

from pathlib import Path
from typing import Any

import yaml

from tasks.generate.dcg_map_elites.search import Search
from tests.generate.test_rollout import make
from tests.worlds.harness import load

ARMS: dict[str, dict[str, Any]] = {
    "dcg": {},
    "injected": {"injected": 4, "active": 0},
    "passive": {"variation": 10, "gradient": 10, "active": 0},
    "pga": {
        "conditioned": False,
        "variation": 10,
        "gradient": 9,
        "injected": 1,
        "active": 0,
    },
    "map_elites": {"conditioned": False, "variation": 20, "gradient": 0, "active": 0},
}
STEPS = 12  # an episode


def small(**changes: Any) -> Any:
    """That of params/dataset/swimmer_archive_small.yaml, some values changed."""
    block: dict[str, Any] = {}
    for name in ("swimmer_archive", "swimmer_archive_small"):
        text = Path(f"params/dataset/{name}.yaml").read_text("utf-8")
        block |= yaml.safe_load(text)["generate"]
    block |= {"iterations": 3, "samples": 500}
    return make("dcg_map_elites", **(block | changes))


def search(**changes: Any) -> Search:
    """Its search on short episodes, before the first iteration."""
    return Search(small(**changes).params, load("swimmer_omni", max_steps=STEPS))
