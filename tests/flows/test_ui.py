"""The server's own pages, driven in Chromium: start the pipeline and watch it.

``OFFCUT_PICTURE=docs/prefect.png pytest tests/flows/test_ui.py`` also takes the picture
of the run's graph and artifacts for the README.
"""

import io
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Page, Request, expect, sync_playwright

from tests.browser import CHROMIUM, in_chromium
from tests.e2e.project import Project
from tests.flows.ui import Ui, environment, serving, until

pytestmark = [
    pytest.mark.prefect,
    pytest.mark.e2e,
    pytest.mark.timeout(900),
    in_chromium,
]

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
]
COMPLETED = (0x22, 0x9F, 0x4D)  # green of the graph's bars
PICTURE = os.environ.get("OFFCUT_PICTURE", "")
SHOWN = 150_000  # milliseconds a page may take on a busy machine


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("ui") / "clone")


@pytest.fixture(scope="module")
def ui(project: Project, warm: Callable[[Path], None]) -> Iterator[Ui]:
    warm(project.folder)
    env = project.env | environment(project.folder)
    env["PYTHONPATH"] = str(project.folder)
    with serving(project.folder, env) as ui:
        yield ui


@pytest.fixture(scope="module")
def asked() -> set[str]:
    """Hosts a page sent a request to."""
    return set()


@pytest.fixture(scope="module")
def page(ui: Ui, asked: set[str]) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(
            viewport={"width": 1280, "height": 560}, locale="en-GB", timezone_id="UTC"
        )
        page.set_default_timeout(SHOWN)
        expect.set_options(timeout=SHOWN)
        page.on("response", lambda response: asked.add(host(response.url)))
        page.on("websocket", lambda socket: asked.add(host(socket.url)))
        page.on("requestfailed", lambda request: asked.add(tried(request)))
        yield page
        browser.close()


def host(url: str) -> str:
    parts = urlsplit(url)
    return "" if parts.scheme in {"data", "blob"} else parts.netloc


def tried(request: Request) -> str:
    """The host of a request that failed, unless the page's policy let none begin."""
    return "" if request.failure == "csp" else host(request.url)


def deployment(ui: Ui, page: Page, name: str) -> None:
    page.goto(f"http://127.0.0.1:{ui.port}/v2/deployments")
    link = page.locator("main a[href*='/deployments/deployment/']")
    link.filter(has_text=name).click()
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_visible()


def runs(ui: Ui) -> set[str]:
    """Flow runs of the pipeline that a person asked for."""
    rows = ui.call("flow_runs/filter", {"sort": "EXPECTED_START_TIME_DESC"})
    return {row["id"] for row in rows if not row["auto_scheduled"]}


def opened(ui: Ui, page: Page, before: set[str], ask: Callable[[], None]) -> str:
    """Ask for a run and go to its page; the link to it fades after seconds.

    A form that is still loading on a busy machine swallows the click, as it does a
    user's, who then asks again.
    """
    for patience in (60, 60, 240):
        ask()
        try:
            found = until(lambda: runs(ui) - before, "the run asked for", patience)
            break
        except AssertionError:
            if patience == 240:
                raise
    run = str(min(found))  # both asked for may have come
    page.goto(f"http://127.0.0.1:{ui.port}/v2/runs/flow-run/{run}")
    return run


@pytest.fixture(scope="module")
def quick(ui: Ui, page: Page) -> str:
    """A quick run of the pipeline, watched from its start to its end."""

    def ask() -> None:
        deployment(ui, page, "pipeline")
        page.get_by_role("button", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Quick run").click()

    run = opened(ui, page, runs(ui), ask)
    main = page.locator("main")
    expect(main.get_by_text("Running", exact=True).first).to_be_visible()
    expect(main.get_by_text("Completed", exact=True).first).to_be_visible()
    return run


def green(picture: bytes) -> int:
    """How many pixels show a stage that has completed."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    near = [
        count
        for count, colour in image.getcolors(image.width * image.height) or ()
        if all(abs(a - b) < 12 for a, b in zip(colour, COMPLETED, strict=True))
    ]
    return sum(near)


def graph(page: Page) -> bytes:
    """The run's page with nothing but stages in its graph, once they are drawn."""
    page.reload()
    page.locator("canvas").first.wait_for()
    settings = page.locator("svg.lucide-cog")
    settings.click()
    for words in ("Hide artifacts", "Hide events"):
        page.get_by_text(words).click()
    settings.click()

    def drawn() -> bytes:
        page.evaluate("document.activeElement.blur()")
        first, second = page.screenshot(), page.screenshot()
        return first if green(first) > 5000 and first == second else b""

    return bytes(until(drawn, "green bars of the graph"))


def test_the_pipeline_is_started_watched_and_shown(
    ui: Ui, page: Page, quick: str, project: Project, tmp_path: Path
):
    main = page.locator("main")
    page.reload()  # the page counts once
    stages = set(project.dvc("stage", "list", "--name-only").split())
    page.get_by_role("tab", name="Task Runs").click()
    expect(main.get_by_text(f"{len(stages)} Task runs").first).to_be_visible()
    shown = page.url
    rows = ui.call("task_runs/filter", {"flow_runs": {"id": {"any_": [quick]}}})
    assert {row["name"] for row in rows} == stages
    assert {row["state"]["type"] for row in rows} == {"COMPLETED"}
    expect(main.get_by_text("report", exact=True).first).to_be_visible()
    page.screenshot(path=tmp_path / "tasks.png")

    page.get_by_role("tab", name="Logs").click()
    (tmp_path / "graph.png").write_bytes(graph(page))
    page.get_by_role("tab", name="Artifacts").click()
    # the run's own progress, where it was started
    expect(main.get_by_text(f"{len(stages)} of {len(stages)} stages")).to_be_visible()
    if PICTURE:
        page.set_viewport_size({"width": 1280, "height": 800})
        page.screenshot(path=PICTURE)

    artifact(page, "evaluate-pendulum-mixture-bc-float32")
    expect(main.get_by_role("cell", name="float32").first).to_be_visible()
    page.screenshot(path=tmp_path / "artifact.png")
    page.goto(shown)
    artifact(page, "report")
    expect(main.get_by_role("columnheader", name="verdict")).to_be_visible()
    page.get_by_role("link", name="Open the page").click()
    expect(page.locator("h1")).to_contain_text("Pendulum")


def artifact(page: Page, key: str) -> None:
    """From a run to one of its artifacts."""
    page.get_by_role("tab", name="Artifacts").click()
    link = page.locator("main a[href*='/artifacts/key/']")
    link.filter(has_text=key).click()
    page.locator("main a[href*='/artifacts/artifact/']").first.click()


@pytest.mark.usefixtures("quick")
def test_a_run_with_parameters_finds_everything_unchanged(ui: Ui, page: Page):
    def ask() -> None:
        deployment(ui, page, "pipeline")
        page.get_by_role("button", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Custom run").click()
        workers = page.get_by_label("workers")
        workers.fill("1")
        expect(workers).to_have_value("1")
        page.get_by_role("button", name="Submit").click()

    run = opened(ui, page, runs(ui), ask)
    main = page.locator("main")
    expect(main.get_by_text("Completed", exact=True).first).to_be_visible()
    seen = ui.call(f"flow_runs/{run}")
    assert seen["parameters"]["workers"] == 1
    assert "completed" not in seen["state"]["message"]


def test_a_study_is_chosen_from_a_list(ui: Ui, page: Page, project: Project):
    deployment(ui, page, "study")
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Custom run").click()
    page.get_by_label("Select name").click()
    names = {path.stem for path in (project.folder / "params/study").glob("*.yaml")}
    options = page.get_by_role("option")
    expect(options).to_have_count(len(names))
    assert {text.strip() for text in options.all_inner_texts()} == names


def is_active(ui: Ui, active: bool) -> bool:
    (schedule,) = ui.deployment("pipeline")["schedules"]
    return schedule["active"] is active


def test_the_nightly_schedule_is_switched_on_and_off(ui: Ui, page: Page):
    deployment(ui, page, "pipeline")
    switch = page.get_by_role("switch").first
    for active in (True, False):
        expect(switch).to_be_checked(checked=not active)
        switch.click()
        until(partial(is_active, ui, active), f"active: {active}")


@pytest.mark.parametrize(
    "name", ["dashboard", "work-pools/create", "blocks/catalog", "settings"]
)
def test_the_pages_ask_nobody_else(ui: Ui, asked: set[str], page: Page, name: str):
    page.goto(f"http://127.0.0.1:{ui.port}/v2/{name}")
    page.wait_for_load_state("networkidle")
    assert asked - {""} == {f"127.0.0.1:{ui.port}"}
