"""JPEG images as arrays, no larger than their space says."""

import io
from collections.abc import Iterable
from typing import Any

import numpy as np
from gymnasium import Space
from gymnasium.spaces import Box
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError

LEAST = 32  # pixels a side, from which Minari takes an array for an image


def is_image(space: Space[Any] | None) -> bool:
    """Whether Minari 0.5.4 stores arrays of a space as JPEG."""
    return (
        isinstance(space, Box)
        and len(space.shape) in (2, 3)
        and min(space.shape[:2]) >= LEAST
        and space.dtype == np.uint8
        and bool((space.low == 0).all() and (space.high == 255).all())
    )


def decoded(
    frames: Iterable[bytes],
    count: int,
    shape: tuple[int, ...],
    source: object,
    field: str,
) -> NDArray[np.uint8]:
    """Images (N, H, W) or (N, H, W, C).

    Args:
        frames: N files of JPEG.
        count: N.
        shape: Of each, as its space says.
        source: For errors.
        field: For errors.

    Raises:
        RefusedError: If one is no image of that shape, or Pillow is not installed.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        mend = "install it with: pip install pillow"
        raise RefusedError(source, field, "JPEG", "Pillow to read it", mend) from None
    images = np.empty((count, *shape), np.uint8)
    for number, frame in enumerate(frames):
        try:
            with Image.open(io.BytesIO(frame), formats=["JPEG"]) as image:
                size = (image.height, image.width)
                if size != shape[:2]:  # before memory is taken for it
                    raise ValueError(f"{size[0]} x {size[1]} pixels")
                images[number] = np.asarray(image)
        except (OSError, ValueError, UnidentifiedImageError) as error:
            expected = f"an image of shape {shape}"
            where = f"{field}, row {number}"
            mend = "mend the source"
            raise RefusedError(source, where, error, expected, mend) from None
    return images
