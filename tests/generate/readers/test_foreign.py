"""Each reader on what another one reads: not recognised and, if forced, refused."""

from pathlib import Path
from types import ModuleType

import pytest

from tasks.artifacts.errors import RefusedError
from tasks.generate.imported.readers import lerobot, rlds, robomimic, table
from tasks.generate.imported.reading import read as whole
from tests.generate.imports import options
from tests.generate.readers import rlds_files, test_lerobot, test_robomimic
from tests.generate.readers.reading import refusal

READERS = (lerobot, rlds, robomimic, table)


@pytest.fixture(name="sources", scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[ModuleType | None, Path]:
    """A source of each reader, and one of none."""
    folder = tmp_path_factory.mktemp("sources")
    (folder / "a.csv").write_text("t,obs,action\n0,1,1\n1,2,1\n")
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


def test_a_filter_that_no_list_answers_is_refused(
    sources: dict[ModuleType | None, Path],
):
    asked = options(filter="train", end="truncated")
    with pytest.raises(RefusedError, match="filter: found train, expected a format"):
        whole(sources[table], asked)
    read_back, _ = whole(
        sources[rlds], options(filter="train", action_low=(-9.0,), action_high=(9.0,))
    )
    assert read_back.format == "rlds"
