"""Each reader on what another one reads: not recognised and, if forced, refused."""

from pathlib import Path
from types import ModuleType

import pytest

from tasks.generate.imported.readers import lerobot, rlds, robomimic, table
from tests.generate.readers import rlds_files, test_lerobot, test_robomimic
from tests.generate.readers.reading import refusal

READERS = (lerobot, rlds, robomimic, table)


@pytest.fixture(name="sources", scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[ModuleType | None, Path]:
    """A source of each reader, and one of none."""
    folder = tmp_path_factory.mktemp("sources")
    (folder / "a.csv").write_text("x,u\n1,2\n")
    (folder / "empty").mkdir()
    frames = test_lerobot.three()
    shards = [[rlds_files.rows(0, 3, True)]]
    return {
        lerobot: test_lerobot.dataset(folder / "lerobot", "v3.0", frames),
        rlds: rlds_files.dataset(folder / "rlds", shards),
        robomimic: test_robomimic.write(folder / "robomimic.hdf5"),
        table: folder / "a.csv",
        None: folder / "empty",
    }


@pytest.mark.parametrize("reader", READERS)
def test_a_reader_takes_its_own_alone(
    reader: ModuleType, sources: dict[ModuleType | None, Path]
):
    for owner, source in sources.items():
        assert reader.recognises(source) == (owner is reader)
        if owner is not reader:
            refusal(reader, source)
    refusal(reader, sources[table].parent / "missing")
