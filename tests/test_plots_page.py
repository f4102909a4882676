"""The page of `dvc plots show`: it needs no network, and what it holds is Vega's."""

import configparser
import hashlib
import re
from pathlib import Path

import pytest
import yaml
from dvc_render import VegaRenderer, render_html

from tests.browser import asked, chromium, in_chromium

ROOT = Path(__file__).parents[1]
PAGE = ROOT / ".dvc/plots/page.html"
# of the files build/<name>.min.js as they were published, without their last line
PUBLISHED = {
    ("vega", "5.33.0"): "c340b4a196cf1175",
    ("vega-lite", "5.23.0"): "9525bc3368d62c58",
    ("vega-embed", "6.29.0"): "16512fd17119051e",
}


@pytest.fixture
def shown(tmp_path: Path) -> Path:
    """The pictures of dvc.yaml, of made-up rows, as DVC would write them."""
    plots = yaml.safe_load((ROOT / "dvc.yaml").read_text())["plots"]
    drawn = []
    for plot in plots:
        ((name, said),) = plot.items()
        rows = [
            {said["x"]: str(x), said["y"]: str(x * x), "rev": rev}
            for x in range(1, 4)
            for rev in ("main", "workspace")
        ]
        drawn.append(VegaRenderer(rows, name, **said))
    return Path(render_html(drawn, tmp_path / "dvc_plots/index.html", PAGE))


def test_dvc_takes_this_page():
    config = configparser.ConfigParser()
    config.read(ROOT / ".dvc/config")
    assert ROOT / ".dvc" / config["plots"]["html_template"] == PAGE


def test_what_it_holds_is_as_published():
    block = r"<!-- ([\w-]+) ([\d.]+)\n(.*?)-->\n<script>\n(.*?)\n</script>"
    found = re.findall(block, PAGE.read_text(), re.DOTALL)
    held = {
        (name, version): hashlib.sha256(code.encode()).hexdigest()[:16]
        for name, version, _, code in found
    }
    assert held == PUBLISHED
    assert all("Redistributions in binary form" in licence for *_, licence, _ in found)


def test_it_may_ask_for_nothing(shown: Path):
    page = shown.read_text()
    assert "default-src 'none'" in page
    assert "jsdelivr" not in page
    bare = re.sub(r"<script[^>]*>.*?</script>", "<script>", page, flags=re.DOTALL)
    assert not re.search(r"\b(?:src|href)=", bare)
    assert "<script src" not in page


@in_chromium
def test_chromium_draws_it_and_asks_no_network(shown: Path, tmp_path: Path):
    log = tmp_path / "net.json"
    options = ("--virtual-time-budget=5000", "--dump-dom", f"--log-net-log={log}")
    ran = chromium(tmp_path, shown, *options)
    assert ran.stdout.count('class="marks"') == 2, ran.stderr
    assert "ERROR:CONSOLE" not in ran.stderr, ran.stderr
    assert asked(log) == []
