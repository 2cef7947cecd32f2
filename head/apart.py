"""Training in a child process, beside a service that goes on answering.

So it takes neither the interpreter lock nor the memory of the service, gives way to queries
(`head.child.NICENESS`), and may die without harm. The vectors are exported into a file that
both processes map. It and the other files between the two have no name: they are gone with
the last process that has them open, however that ends.

Shapes: N references, D dimensions.
"""

from __future__ import annotations

import errno
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from head.child import read_head, write_task
from head.data.training_set import TrainingSet
from head.fit.options import TrainOptions
from head.steps import Standing
from head.versions.head import Head
from holotype.errors import DiskFull, HeadError, by_name
from holotype.references import Vectors

COMMAND = (sys.executable, "-m", "head.child")

LOOK_EVERY_S = 0.2
"""So often the parent looks whether the run may go on."""

DYING_S = 10.0
"""For so long a child that has nothing more to say may take to end by itself."""

LINE_BYTES = 1 << 20
"""No message is longer."""


class ChildTrainer:
    """`allocate` and `train` for one `head.job.retrain`, inside a `with` block."""

    def __init__(self, folder: Path | None = None) -> None:
        """Make room in `folder`, where it is there, or in the system's own temporary one."""
        self._folder = folder if folder is not None and folder.is_dir() else None
        self._opened = ExitStack()
        self._vectors: IO[bytes] | None = None
        self._mapped: Vectors = np.empty((0, 0), dtype=np.float32)

    def __enter__(self) -> ChildTrainer:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def allocate(self, rows: int, columns: int) -> Vectors:
        """An array (rows, columns) of float32 on the disk.

        Raises:
            DiskFull: there is no room for it.
            HeadError: the folder cannot be written to.
        """
        with self._writing():
            self._vectors = self._file()
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
        with self._writing():
            task, result = self._file(), self._file()
            write_task(task, training, champion, options)
        files = [file.fileno() for file in (self._vectors, task, result)]
        with _child(files) as process:
            _follow(process, options)
        try:
            return read_head(result)
        except (ValueError, KeyError, TypeError, OSError, EOFError) as error:
            raise HeadError(
                f"the training process left no head that can be read: {error}"
            ) from None

    def _file(self) -> IO[bytes]:
        return self._opened.enter_context(tempfile.TemporaryFile(dir=self._folder))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            kind = DiskFull if error.errno == errno.ENOSPC else HeadError
            folder = self._folder or tempfile.gettempdir()
            raise kind(
                f"the vectors cannot be copied to {folder} for the training ({error}): they take "
                "4 bytes a number there while it runs; free some room"
            ) from error


@contextmanager
def _child(files: list[int]) -> Iterator[subprocess.Popen[bytes]]:
    """The child, until the end of a block; then it is no more."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(  # noqa: S603  ours
        [*COMMAND, *map(str, files)], stdin=pipe, stdout=pipe, pass_fds=files
    )
    with process:
        try:
            yield process
        finally:
            process.kill()  # it has nothing to tidy up


def _follow(process: subprocess.Popen[bytes], options: TrainOptions) -> None:
    """Pass on what the child says until it is done.

    Raises:
        HolotypeError: what it failed by.
        HeadError: it ended before it was done, or does not speak as it should.
    """
    assert process.stdout is not None
    for line in _lines(process.stdout, options.on_pass):
        match _message(line):
            case {"step": str(words), "share": float(share)}:
                options.steps.pass_on(Standing(words, share))
            case {"failed": str(kind), "message": str(text)}:
                raise by_name(kind, text)
            case {"done": True}:
                return
            case _:
                raise HeadError(f"the training process said what it should not: {line[:80]!r}")
    raise HeadError(
        f"the training process ended before it was done ({_end_of(process)}): the head that "
        "answered goes on answering; the service's log may say more"
    )


def _lines(stream: IO[bytes], look: Callable[[], None]) -> Iterator[bytes]:
    """Lines as they come; `look` is called before each, and while there is none."""
    pending = b""
    with selectors.DefaultSelector() as arrivals:
        arrivals.register(stream, selectors.EVENT_READ)
        while len(pending) < LINE_BYTES:
            ready = arrivals.select(LOOK_EVERY_S)
            look()
            if not ready:
                continue
            some = os.read(stream.fileno(), LINE_BYTES)
            if not some:
                return
            *lines, pending = (pending + some).split(b"\n")
            yield from lines
    yield pending  # of no message


def _message(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _end_of(process: subprocess.Popen[bytes]) -> str:
    with suppress(subprocess.TimeoutExpired):
        code = process.wait(DYING_S)
        return f"exit status {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
    return "it hung"
