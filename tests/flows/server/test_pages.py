"""Pages of the project beside Prefect's: which files are handed out, and how."""

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from flows.experiments.worktree import PAGES, REPORT
from flows.revisions.layout import FOLDER
from flows.server.pages import FOLDERS, address, mounts


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("data/report/index.html", "data/experiments/a b#1/index.html"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "params.yaml").write_text("secret")
    return tmp_path


def test_the_folders_are_where_pages_lie():
    assert set(FOLDERS) == {REPORT, PAGES, FOLDER}


@pytest.mark.parametrize("name", ["data/report", "data/experiments/a b#1"])
def test_a_page_is_where_its_address_says(root: Path, name: str):
    page = root / name / "index.html"
    client = TestClient(Starlette(routes=mounts(root)))
    answer = client.get(address(page, root))
    assert answer.text == f"{name}/index.html"
    # its scripts act as no page of the server
    policy = answer.headers["content-security-policy"]
    assert "sandbox" in policy
    assert "allow-same-origin" not in policy


@pytest.mark.parametrize(
    "path",
    [
        "/files/params.yaml",
        "/files/data/report/../../params.yaml",
        "/files/data/report/%2e%2e/%2e%2e/params.yaml",
        "/files/data/report//params.yaml",
        "/files/.offcut/compare/index.html",
        "/files/data/report/",
    ],
)
def test_nothing_else_is_handed_out(root: Path, path: str):
    answer = TestClient(Starlette(routes=mounts(root))).get(path)
    assert answer.status_code == 404
    assert "secret" not in answer.text


def test_a_page_elsewhere_has_no_address(root: Path, tmp_path: Path):
    assert address(root / "data/other/index.html", root) == ""
    assert address(tmp_path.parent / "index.html", root) == ""
    assert address(root / "data/reports/index.html", root) == ""
