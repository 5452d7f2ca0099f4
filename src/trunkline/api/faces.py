"""The faces of the API: each speaks for one service, under a path of its own."""

from __future__ import annotations

import enum


class Face(enum.Enum):
    """The value is the first segment of the face's paths."""

    IDENTITY = "identity"
    NETWORK = "network"
    COMPUTE = "compute"
    IMAGE = "image"
    PLACEMENT = "placement"
    TRUNKLINE = "trunkline"  # Our own API, and whatever belongs to no other face.


def face_of(segments: list[str]) -> Face:
    """Return the face that a path belongs to."""
    try:
        return Face(segments[0])
    except (ValueError, IndexError):
        return Face.TRUNKLINE
