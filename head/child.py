"""The child of `head.apart`: `python -m head.child`, started by a service, never by a person.

It maps the vectors, trains, and writes the head to a file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from head.data.training_set import TrainingSet
from head.fit.options import TrainOptions
from head.process import opened, told_to_parent
from head.steps import Steps
from head.train import train
from head.versions.head import Head
from holotype.heads import HeadRecord, StoredHead
from holotype.references import Vectors

Arrays = dict[str, NDArray[Any]]


def main() -> None:
    """Train; the arguments are the numbers of three open files: vectors, task, result."""
    with told_to_parent() as tell:
        vectors, task, result = opened(sys.argv[1:])
        training, champion, options = _task_of(task, vectors)
        write_head(result, train(training, champion, TrainOptions(**options, steps=Steps(tell))))


def write_task(
    file: IO[bytes], training: TrainingSet, champion: Head | None, options: TrainOptions
) -> None:
    """Everything that training takes, the vectors excepted, into an empty file."""
    stored = None if champion is None else champion.to_stored()
    data = {
        "shape": training.vectors.shape,
        "labels": training.labels,
        "champion": None if stored is None else asdict(stored.record),
        "options": {"seed": options.seed, "device": options.device},
    }
    arrays = {"codes": training.codes, "groups": training.groups, "marks": training.marks}
    _pack(file, data, {**arrays, **({} if stored is None else stored.blocks)})


def _task_of(
    file: IO[bytes], vectors: IO[bytes]
) -> tuple[TrainingSet, Head | None, dict[str, Any]]:
    data, arrays = _unpack(file)
    shape = tuple(data["shape"])
    training = TrainingSet(
        labels=tuple(data["labels"]),
        vectors=np.asarray(np.memmap(vectors, np.float32, "r", shape=shape)),
        codes=arrays.pop("codes"),
        groups=arrays.pop("groups"),
        marks=arrays.pop("marks"),
    )
    champion = None if data["champion"] is None else _head(data["champion"], arrays)
    return training, champion, data["options"]


def write_head(file: IO[bytes], head: Head) -> None:
    """A head, in its stored form, into an empty file."""
    stored = head.to_stored()
    _pack(file, asdict(stored.record), stored.blocks)


def read_head(file: IO[bytes]) -> Head:
    """Inverse of `write_head`; numbers are the same to the bit."""
    return _head(*_unpack(file))


def _head(record: Mapping[str, Any], blocks: Mapping[str, Vectors]) -> Head:
    known = HeadRecord(**{**record, "labels": tuple(record["labels"])})
    return Head.from_stored(StoredHead(record=known, blocks=blocks))


def _pack(file: IO[bytes], data: Any, arrays: Mapping[str, NDArray[Any]]) -> None:
    """A line of JSON, and the arrays in npy format one after the other."""
    file.write(json.dumps([data, list(arrays)]).encode() + b"\n")
    for array in arrays.values():
        np.save(file, array, allow_pickle=False)
    file.flush()


def _unpack(file: IO[bytes]) -> tuple[Any, Arrays]:
    file.seek(0)
    data, names = json.loads(file.readline())
    return data, {name: np.load(file, allow_pickle=False) for name in names}


if __name__ == "__main__":
    main()
