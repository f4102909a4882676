"""Imported: data that others recorded becomes a dataset like any other.

A copy of it lies below data/sources. A reader, one a format, reads it
(``tasks/generate/imported/readers/``), and the rules make episodes of what it read
(``tasks/generate/imported/rules.py``). The card says what was done: its ``imported``
has the source's SHA-256, the format, the options and all notes.
"""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.artifacts.episodes import Episode
from tasks.artifacts.files import sha256
from tasks.generate import Generator, Progress
from tasks.generate.imported.logs import Options
from tasks.generate.imported.reading import read

if TYPE_CHECKING:
    from tasks.worlds import World

SOURCES = Path("data/sources")


class Imported(Generator[Options]):
    """Episodes of a source that others recorded."""

    def episodes(self, world: "World", progress: Progress) -> list[Episode]:
        """Read the source.

        Args:
            world: That the data is for; gets its spaces, which hold all of the data.
            progress: Called as the work goes on.

        Raises:
            RefusedError: If the source is missing, no reader recognises it, or no rule
                covers what it holds.
        """
        source = SOURCES / self.params.source
        progress(0.0, "reading")
        logs, brought = read(source, self.params, world)
        progress(1.0, "read")
        world.observation_space = brought.observation_space
        world.action_space = brought.action_space
        self.figures = {
            "imported": {
                "source": self.params.source,
                "source_sha256": sha256(source),
                "format": logs.format,
                "env_id": logs.env_id,
                "options": {**asdict(self.params), "map": dict(self.params.map)},
                "notes": brought.notes,
            }
        }
        return brought.episodes
