"""Datasets of named arrays: what is written is what is read, and what is refused."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.artifacts.arrays import Arrays, load_arrays, read_card, write_arrays
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256
from tasks.artifacts.recorded import check_episodes
from tests.predictors import MADE, dots


def test_what_is_written_is_read(tmp_path: Path):
    folder, data = tmp_path / "dots-v0", dots()
    card = write_arrays(folder, data, "dots", MADE)
    back = load_arrays(folder)
    for name, values in data.arrays.items():
        assert isinstance(back.arrays[name], np.memmap)
        assert back.arrays[name].dtype == values.dtype
        assert np.array_equal(back.arrays[name], values)
    assert (back.splits, back.sha256) == (data.splits, card["sha256"])
    assert len(back.split("train")["image"]) == 30
    first = sha256(folder)
    write_arrays(folder, data, "dots", MADE)
    assert sha256(folder) == first


def image(**changes: Any) -> dict[str, Any]:
    return {"arrays": {**dots().arrays, **changes}}


nan = np.full((60, 2), np.nan, np.float32)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (image(label=np.zeros(59, np.int64)), "label.rows: found 59, expected 60"),
        (image(image=nan), "arrays.image: found .* not finite in row 0"),
        (image(image=np.zeros((60, 2))), "image.dtype: found float64"),
        (image(image=np.array([object()] * 60)), "image.dtype: found object"),
        ({"arrays": {"../x": np.zeros(3, np.int64)}}, r"arrays: found \.\./x"),
        ({"arrays": {"x": np.zeros((0, 2), np.float32)}}, "x.rows: found 0"),
        ({"arrays": {}}, "found nothing, expected at least one array"),
        ({"splits": {"train": (0, 30)}}, "splits.test: found nothing"),
        ({"splits": {"train": (0, 31), "test": (30, 60)}}, "splits.test: found 30 to"),
        ({"splits": {"train": (0, 0), "test": (0, 60)}}, "splits.train: found 0 to 0"),
        ({"splits": {"train": (0, 30), "test": (30, 61)}}, "expected some of 30 to 60"),
    ],
)
def test_what_is_no_dataset_is_refused_before_it_is_written(
    tmp_path: Path, changes: dict[str, Any], said: str
):
    folder = tmp_path / "dots-v0"
    with pytest.raises(RefusedError, match=said) as caught:
        write_arrays(folder, dots(**changes), "dots", MADE)
    assert "\n" not in str(caught.value)
    assert not folder.exists()


def test_a_changed_file_is_refused(tmp_path: Path):
    folder = tmp_path / "dots-v0"
    write_arrays(folder, dots(), "dots", MADE)
    np.save(folder / "label.npy", np.zeros(60, np.int64), allow_pickle=False)
    with pytest.raises(RefusedError, match=r"label\.npy: sha256"):
        load_arrays(folder)
    (folder / "label.npy").unlink()
    with pytest.raises(RefusedError, match="make it with: python -m tasks.generate"):
        load_arrays(folder)


def test_names_that_are_not_there_are_refused(tmp_path: Path):
    data = dots()
    with pytest.raises(RefusedError, match="found vali, expected one of test, train"):
        data.split("vali")
    with pytest.raises(RefusedError, match="no labels, which X reads.*mean label"):
        data.check_has(("labels",), "X")
    assert Arrays({}, {}).replicate == "row"


def test_episodes_are_not_arrays_and_arrays_no_episodes(tmp_path: Path):
    folder = tmp_path / "dots-v0"
    write_arrays(folder, dots(), "dots", MADE)
    with pytest.raises(RefusedError, match="found named arrays, expected episodes"):
        check_episodes(folder)
    text = (folder / "card.json").read_text(encoding="utf-8")
    (folder / "card.json").write_text(re.sub("arrays", "episodes", text, count=0))
    with pytest.raises(RefusedError, match="self_sha256"):
        read_card(folder)
