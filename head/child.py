"""The child of `head.apart`: `python -m head.child`, started by a service, never by a person.

It maps the vectors, trains, and writes the head to a file. What it says goes to its standard
output, a JSON object a line: `{"step": TEXT, "share": SHARE}` on the way (`head.steps`), and at the
end `{"done": true}` or `{"failed": NAME OF THE ERROR, "message": TEXT}`. Nothing is pickled.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from head.data.training_set import TrainingSet
from head.fit.options import TrainOptions
from head.steps import Steps
from head.train import train
from head.versions.head import Head
from holotype.errors import HolotypeError
from holotype.heads import HeadRecord, StoredHead
from holotype.references import Vectors

NICENESS = 10
"""Queries come first: training takes the processor time that they leave."""

Arrays = dict[str, NDArray[Any]]


def main() -> None:
    """Train; the arguments are the numbers of three open files: vectors, task, result."""
    os.nice(NICENESS)
    vectors, task, result = (os.fdopen(int(number), "r+b") for number in sys.argv[1:])
    messages = _own_stdout()
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def tell(**message: Any) -> None:
        messages.write(json.dumps(message).encode() + b"\n")

    try:
        training, champion, options = _task_of(task, vectors)
        how = TrainOptions(**options, steps=Steps(lambda standing: tell(**asdict(standing))))
        write_head(result, train(training, champion, how))
    except HolotypeError as error:
        tell(failed=type(error).__name__, message=str(error))
    else:
        tell(done=True)


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


def _own_stdout() -> IO[bytes]:
    """The stream to the parent; whatever prints from here on goes to standard error."""
    stream = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return stream


def _end_with_parent() -> None:
    """Standard input ends when the parent does, however it does."""
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    main()
