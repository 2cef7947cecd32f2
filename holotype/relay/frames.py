"""Messages on a byte stream: one JSON object and any number of float32 matrices.

A message is two lengths (little-endian uint32: bytes of JSON; uint32: number of matrices),
the JSON, and for each matrix its rows and columns (uint32 each) and its numbers, row by row.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from holotype.references import Vectors

_HEAD = struct.Struct("<II")


class StreamEnded(Exception):
    """The other side is gone."""


@dataclass(frozen=True, slots=True)
class Message:
    """What one side says."""

    data: Mapping[str, Any]
    matrices: Sequence[Vectors] = ()
    """Each (rows, columns) float32."""


def send(stream: IO[bytes], message: Message) -> None:
    """Write one message.

    Raises:
        StreamEnded: nobody reads any more.
    """
    text = json.dumps(message.data).encode()
    try:
        stream.write(_HEAD.pack(len(text), len(message.matrices)))
        stream.write(text)
        for matrix in message.matrices:
            stream.write(_HEAD.pack(*matrix.shape))
            stream.write(np.ascontiguousarray(matrix, dtype="<f4").tobytes())
        stream.flush()
    except BrokenPipeError as error:
        raise StreamEnded from error


def receive(stream: IO[bytes]) -> Message:
    """Read one message.

    Raises:
        StreamEnded: nobody writes any more.
    """
    length, count = _HEAD.unpack(_exactly(stream, _HEAD.size))
    data = json.loads(_exactly(stream, length))
    return Message(data, [_matrix(stream) for _ in range(count)])


def _matrix(stream: IO[bytes]) -> Vectors:
    rows, columns = _HEAD.unpack(_exactly(stream, _HEAD.size))
    numbers = np.frombuffer(_exactly(stream, rows * columns * 4), dtype="<f4")
    return numbers.reshape(rows, columns).astype(np.float32, copy=False)


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise StreamEnded
    return data
