"""What may import what in flows/: commands above folders, and no circle."""

from graphlib import TopologicalSorter
from pathlib import Path

from tests.test_layout import imports

FLOWS = Path(__file__).parents[2] / "flows"
FOLDERS = {f"flows.{path.parent.name}" for path in FLOWS.glob("*/__init__.py")}


def modules() -> dict[str, Path]:
    """Files of flows/ by their dotted names."""
    files = {path.relative_to(FLOWS.parent): path for path in FLOWS.rglob("*.py")}
    return {
        ".".join(name.with_suffix("").parts).removesuffix(".__init__"): path
        for name, path in files.items()
    }


def graph() -> dict[str, set[str]]:
    known = modules()
    return {
        name: (imports(path) & known.keys()) - {name} for name, path in known.items()
    }


def test_no_circle():
    """Imports inside functions count: they only hide a circle."""
    TopologicalSorter(graph()).prepare()  # raises CycleError, which names it


def test_folders_stand_below_the_commands():
    guilty = {
        name: above
        for name, found in graph().items()
        if name.count(".") == 2
        and (above := {other for other in found if other.count(".") == 1} - FOLDERS)
    }
    assert guilty == {}
