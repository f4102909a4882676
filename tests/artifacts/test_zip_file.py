import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.npz import read_npz
from tasks.artifacts.zip_file import Zip


def zipped(path: Path, *names: str, packed: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", packed) as new:
        for name in names:
            new.writestr(name, b"hello " * 1000)
    return path


@pytest.mark.parametrize("packed", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_are_read(packed: int, tmp_path: Path):
    opened = Zip(zipped(tmp_path / "a", "b", "c/d", packed=packed), "mend")
    assert opened.sizes == {"b": 6000, "c/d": 6000}
    assert opened.read("c/d") == b"hello " * 1000


@pytest.mark.parametrize(
    "name", ["../a", "/etc/a", "a/../../b", "..\\a", "C:\\a", "\\a"]
)
def test_a_way_out_of_the_folder_is_refused(name: str, tmp_path: Path):
    path = zipped(tmp_path / "a", "b")
    data = path.read_bytes()
    with zipfile.ZipFile(path, "w") as new:
        new.writestr(zipfile.ZipInfo("x" * len(name)), data)
    path.write_bytes(path.read_bytes().replace(b"x" * len(name), name.encode()))
    with pytest.raises(RefusedError, match="a path, expected a name inside the zip"):
        Zip(path, "mend")


def test_a_bomb_is_refused_before_it_is_opened(tmp_path: Path):
    path = tmp_path / "a"
    with zipfile.ZipFile(path, "w") as new:
        new.writestr("b", bytes(10))
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")  # the directory's entry: size when unpacked
    data[at + 24 : at + 28] = (2**29).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(RefusedError, match="536870912 bytes packed in 10"):
        Zip(path, "mend")


def test_what_is_damaged_or_missing_is_refused(tmp_path: Path):
    path = zipped(tmp_path / "a", "b", "c")
    data = path.read_bytes()
    opened = Zip(path, "mend")
    with pytest.raises(RefusedError, match="member d: found only b, c"):
        opened.read("d")
    with pytest.raises(RefusedError, match="6000 bytes, expected at most 100"):
        opened.read("b", 100)
    path.write_bytes(data.replace(b"hello", b"hallo", 1))
    with pytest.raises(RefusedError, match="member b: found Bad CRC"):
        Zip(path, "mend").read("b")
    for cut in (0, 10, len(data) // 2):
        path.write_bytes(data[:cut])
        with pytest.raises(RefusedError, match="content: found .*a whole zip"):
            Zip(path, "mend")
    with pytest.warns(UserWarning, match="Duplicate"):
        zipped(path, "b", "b")
    with pytest.raises(RefusedError, match="the same name twice"):
        Zip(path, "mend")


def test_arrays_come_back(tmp_path: Path):
    arrays = {
        "a": np.arange(6.0).reshape(2, 3),
        "b": np.asfortranarray(np.arange(6, dtype=np.int32).reshape(2, 3)),
        "c": np.array(True),
        "d": np.zeros((0, 3), np.float32),
    }
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", **arrays)
        read = read_npz(tmp_path / "a.npz", "mend")
        assert read.keys() == arrays.keys()
        for name, array in arrays.items():
            assert read[name].dtype == array.dtype
            np.testing.assert_array_equal(read[name], array)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([{}], object), "values of type object"),
        (np.array(["a"]), "values of type <U1"),
        (np.array([1j]), "values of type complex128"),
    ],
)
def test_other_values_are_refused(array: np.ndarray, words: str, tmp_path: Path):
    np.savez(tmp_path / "a.npz", x=array)
    with pytest.raises(RefusedError, match=f"array x: found {words}"):
        read_npz(tmp_path / "a.npz", "mend")


@pytest.mark.parametrize("shape", ["(99999999999, 9)", "(2,)", "(-3,)"])
def test_a_shape_that_its_data_does_not_fill_is_refused(shape: str, tmp_path: Path):
    stream = io.BytesIO()
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
    text = header.ljust(117) + "\n"
    stream.write(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little"))
    stream.write(text.encode() + np.arange(3.0).tobytes())
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as new:
        new.writestr("x.npy", stream.getvalue())
    with pytest.raises(RefusedError, match="array x: found shape"):
        read_npz(tmp_path / "a.npz", "mend")


@pytest.mark.parametrize("data", [b"", b"hello", b"\x93NUMPY\x09\x00hi"])
def test_other_members_are_refused(data: bytes, tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as new:
        new.writestr("x.npy", data)
    with pytest.raises(RefusedError, match="array x: found"):
        read_npz(tmp_path / "a.npz", "mend")
