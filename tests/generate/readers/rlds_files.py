"""RLDS datasets, written without the project's reader: Example, checksum, framing."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np


def crc32c(content: bytes) -> int:
    """CRC-32C bit by bit, as RFC 3720 defines it."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(content: bytes) -> bytes:
    crc = crc32c(content)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def framed(content: bytes) -> bytes:
    """A record of a TFRecord file."""
    length = struct.pack("<Q", len(content))
    return length + masked(length) + content + masked(content)


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def block(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def feature(values: Any, packed: bool = True) -> bytes:
    """A tf.train.Feature: bytes for text, else int64 or float by the array's type."""
    if isinstance(values, list):
        return block(1, b"".join(block(1, text) for text in values))
    flat = np.ravel(values)
    if flat.dtype.kind == "f":
        numbers = [struct.pack("<f", v) for v in flat]
        each, number = [b"\x0d" + n for n in numbers], 2
    else:
        numbers = [varint(int(v)) for v in flat]
        each, number = [b"\x08" + n for n in numbers], 3
    content = block(1, b"".join(numbers)) if packed else b"".join(each)
    return block(number, content)


def example(values: dict[str, Any], packed: bool = True) -> bytes:
    """A tf.train.Example."""
    entries = [
        block(1, block(1, name.encode()) + block(2, feature(v, packed)))
        for name, v in values.items()
    ]
    return block(1, b"".join(entries))


def tensor(dtype: str, *shape: int, **more: Any) -> dict[str, Any]:
    return {
        "pythonClassName": "tensorflow_datasets.core.features.tensor_feature.Tensor",
        "tensor": {
            "dtype": dtype,
            "encoding": "none",
            "shape": {"dimensions": [str(n) for n in shape]} if shape else {},
        }
        | more,
    }


def group(**features: Any) -> dict[str, Any]:
    name = "tensorflow_datasets.core.features.features_dict.FeaturesDict"
    return {"pythonClassName": name, "featuresDict": {"features": features}}


TEXT = {
    "pythonClassName": "tensorflow_datasets.core.features.text_feature.Text",
    "text": {},
}
IMAGE = {
    "pythonClassName": "tensorflow_datasets.core.features.image_feature.Image",
    "image": {"shape": {"dimensions": ["8", "8", "3"]}, "dtype": "uint8"},
}
STEP = {
    "observation": group(state=tensor("float32", 2), gripper=tensor("int64")),
    "action": tensor("float32", 2),
    "reward": tensor("float32"),
    "discount": tensor("float32"),
    "is_first": tensor("bool"),
    "is_last": tensor("bool"),
    "is_terminal": tensor("bool"),
    "language_instruction": TEXT,
}


def rows(number: int, count: int, terminal: bool) -> dict[str, Any]:
    """An episode of so many rows, the last one an observation alone."""
    draw, at = np.random.default_rng(number), np.arange(count)
    return {
        "steps/observation/state": draw.normal(size=(count, 2)).astype(np.float32),
        "steps/observation/gripper": at - 2,
        "steps/action": draw.normal(size=(count, 2)).astype(np.float32),
        "steps/reward": draw.normal(size=count).astype(np.float32),
        "steps/discount": np.ones(count, np.float32),
        "steps/is_first": (at == 0).astype(int),
        "steps/is_last": (at == count - 1).astype(int),
        "steps/is_terminal": ((at == count - 1) & terminal).astype(int),
        "steps/language_instruction": [b"pick it up"] * count,
    }


def dataset(
    folder: Path,
    shards: list[list[dict[str, Any]]],
    packed: bool = True,
    split: str = "train",
    **features: Any,
) -> Path:
    """A folder; ``features`` are more of a step, or None where one is left out."""
    step = {k: v for k, v in (STEP | features).items() if v is not None}
    steps = {
        "pythonClassName": "tensorflow_datasets.core.features.dataset_feature.Dataset",
        "sequence": {"feature": group(**step), "length": "-1"},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "features.json").write_text(json.dumps(group(steps=steps)))
    lengths = [str(len(shard)) for shard in shards]
    info = {"name": "toy", "splits": [{"name": split, "shardLengths": lengths}]}
    (folder / "dataset_info.json").write_text(json.dumps(info))
    for number, shard in enumerate(shards):
        name = f"toy-{split}.tfrecord-{number:05d}-of-{len(shards):05d}"
        content = b"".join(framed(example(values, packed)) for values in shard)
        (folder / name).write_bytes(content)
    return folder
