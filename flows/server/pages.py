"""The project's own pages, served beside Prefect's so that these can link to them.

A browser opens no file from a page that came over HTTP.
"""

from pathlib import Path
from urllib.parse import quote

from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

PLACE = "/files"
# the report, those of studies, the last comparison; nothing else of the project
FOLDERS = (Path("data/report"), Path("data/experiments"), Path(".offcut/compare"))
# a page's scripts may neither ask the server nor act as one of its pages
APART = "sandbox allow-scripts allow-popups allow-downloads; connect-src 'none'"


class Pages(StaticFiles):
    """A folder of pages, each kept apart from the server that hands it out."""

    async def check_config(self) -> None:
        """Take a folder that is not there yet: it has no page."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with a file, which the browser asks for anew each time."""
        response = await super().get_response(path, scope)
        response.headers["content-security-policy"] = APART
        response.headers["cache-control"] = "no-cache"
        return response


def mounts(root: Path) -> list[Mount]:
    """The routes of the pages; folders may appear later.

    Args:
        root: The project, absolute.
    """
    return [
        Mount(
            f"{PLACE}/{folder.as_posix()}",
            # what DVC puts there may be links into its cache
            Pages(directory=root / folder, check_dir=False, follow_symlink=True),
        )
        for folder in FOLDERS
    ]


def address(page: Path, root: Path) -> str:
    """Where the server has a page, without its own address; empty if it has not.

    Args:
        page: The file.
        root: The project, absolute.
    """
    path = page.absolute()
    if not any(path.is_relative_to(root / folder) for folder in FOLDERS):
        return ""
    return f"{PLACE}/{quote(path.relative_to(root).as_posix())}"
