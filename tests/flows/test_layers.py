"""What may import what in flows/: its commands stand above its folders."""

from pathlib import Path

from tests.house import ROOT, name_of, needed

FLOWS = ROOT / "flows"


def test_no_folder_imports_from_a_command():
    def commands(path: Path) -> list[str]:
        return [name_of(file) for file in needed(path) if file.parent == FLOWS]

    above = {name_of(path): commands(path) for path in FLOWS.glob("*/*.py")}
    assert {name: files for name, files in above.items() if files} == {}
    assert commands(FLOWS / "study.py")  # it would be seen
