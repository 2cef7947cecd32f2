"""Training in a child process, beside a service that goes on answering (see `head.process`).

The vectors are exported into a file that both processes map.

Shapes: N references, D dimensions.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO

import numpy as np

from head.child import read_head, write_task
from head.data.training_set import TrainingSet
from head.fit.options import TrainOptions
from head.process import UnnamedFiles, follow
from head.versions.head import Head
from holotype.errors import HeadError
from holotype.references import Vectors

COMMAND = (sys.executable, "-m", "head.child")


class ChildTrainer:
    """`allocate` and `train` for one `head.job.retrain`, inside a `with` block."""

    def __init__(self, folder: Path | None = None) -> None:
        """Make room in `folder`, where it is there, or in the system's own temporary one."""
        self._files = UnnamedFiles(folder, HeadError)
        self._vectors: IO[bytes] | None = None
        self._mapped: Vectors = np.empty((0, 0), dtype=np.float32)

    def __enter__(self) -> ChildTrainer:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def allocate(self, rows: int, columns: int) -> Vectors:
        """An array (rows, columns) of float32 on the disk.

        Raises:
            DiskFull: there is no room for it.
            HeadError: the folder cannot be written to.
        """
        with self._files.writing():
            self._vectors = self._files.new()
            # Of a file with holes, a write that finds no room would kill the process.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(self._vectors.fileno(), 0, 4 * rows * columns)
            self._mapped = np.memmap(self._vectors, np.float32, "r+", shape=(rows, columns))
        return self._mapped

    def train(self, training: TrainingSet, champion: Head | None, options: TrainOptions) -> Head:
        """See `head.train.train`; vectors that were not exported into this file are copied there.

        Raises:
            HolotypeError: what training raised, or `options.on_pass`.
            DiskFull: there is no room.
            HeadError: the child ended before it was done.
        """
        if not np.may_share_memory(training.vectors, self._mapped):
            self.allocate(*training.vectors.shape)[:] = training.vectors
        assert self._vectors is not None
        with self._files.writing():
            task, result = self._files.new(), self._files.new()
            write_task(task, training, champion, options)
        files = [self._vectors, task, result]
        tell, look = options.steps.pass_on, options.on_pass
        follow(COMMAND, files, tell=tell, look=look, failure=_failure)
        try:
            return read_head(result)
        except (ValueError, KeyError, TypeError, OSError, EOFError) as error:
            raise HeadError(
                f"the training process left no head that can be read: {error}"
            ) from None


def _failure(what: str) -> HeadError:
    return HeadError(
        f"the training process {what}: the head that answered goes on answering; the service's "
        "log may say more"
    )
