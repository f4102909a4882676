"""Pages as a reader and as Chromium see them."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((found for name in NAMES if (found := shutil.which(name))), None)
in_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason=f"none of {', '.join(NAMES)}; apt-get install chromium"
)


def text(page: str) -> str:
    """What a reader sees, without tags, on one line."""
    body = re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.DOTALL)
    bare = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())
    return re.sub(r" ([,:;.])", r"\1", bare)


def chromium(folder: Path, file: Path, *options: str) -> subprocess.CompletedProcess:
    """Open a page headless, with every connection led to a closed port."""
    assert CHROMIUM
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu"]
    command += ["--disable-background-networking", "--no-first-run"]
    command += ["--disable-component-update", "--proxy-server=127.0.0.1:9"]
    command += [f"--user-data-dir={folder / 'profile'}", "--hide-scrollbars"]
    command += ["--enable-logging=stderr", *options, file.as_uri()]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=True
    )


def asked(log: Path) -> list[str]:
    """URLs in a net log that a page asked for: the browser's own have no initiator."""
    found = []
    for event in json.loads(log.read_text(errors="replace"))["events"]:
        given = event.get("params", {})
        if given.get("initiator", "not an origin") != "not an origin":
            found.append(str(given.get("url", "")))
    return [url for url in found if not url.startswith(("file:", "data:", "chrome"))]
