"""A process that works beside a service: followed to its end, and ended with it.

It gives way to queries, takes neither the interpreter lock nor the memory of the service, and
may die without harm. What it says goes to its standard output, a JSON object a line:
`{"step": TEXT, "share": SHARE}` on the way (`head.steps`), and at the end `{"done": true}` or
`{"failed": NAME OF THE ERROR, "message": TEXT}`. Larger things go through files that both have
open and that have no name: they are gone with the last process that has them open, however that
ends. Nothing is pickled.
"""

from __future__ import annotations

import errno
import json
import os
import selectors
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from head.steps import Standing, Tell
from holotype.errors import DiskFull, HolotypeError, by_name

NICENESS = 10
"""Queries come first: the work takes the processor time that they leave."""

LOOK_EVERY_S = 0.2
"""So often the parent looks whether the run may go on."""

DYING_S = 10.0
"""For so long a child that has nothing more to say may take to end by itself."""

LINE_BYTES = 1 << 20
"""No message is longer."""

Failure = Callable[[str], HolotypeError]
"""The error of a child that did something: "ended before it was done (exit status 1)"."""


class UnnamedFiles:
    """Files for a child, in a folder with room for them; closed, and gone, with the block."""

    def __init__(self, folder: Path | None, kind: type[HolotypeError]) -> None:
        """Take `folder`, where it is there, or else the system's own temporary one.

        Args:
            folder: on a disk with room.
            kind: the error of a folder that cannot be written to.
        """
        self._folder = folder if folder is not None and folder.is_dir() else None
        self._kind = kind
        self._opened = ExitStack()

    def new(self) -> IO[bytes]:
        """One more, empty; inside a `writing` block."""
        return self._opened.enter_context(tempfile.TemporaryFile(dir=self._folder))

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Say where a disk cannot be written to.

        Raises:
            DiskFull: there is no room.
            HolotypeError: of the kind that was given: anything else.
        """
        try:
            yield
        except OSError as error:
            kind = DiskFull if error.errno == errno.ENOSPC else self._kind
            folder = self._folder or tempfile.gettempdir()
            raise kind(
                f"the vectors cannot be copied to {folder} for the work on them ({error}): they "
                "take 4 bytes a number there while it runs; free some room"
            ) from error

    def close(self) -> None:
        """Let go of all of them."""
        self._opened.close()


def follow(
    command: Sequence[str],
    files: Sequence[IO[bytes]],
    *,
    tell: Tell,
    look: Callable[[], None],
    failure: Failure,
) -> None:
    """Start a child and pass on what it says until it is done; it is no more afterwards.

    Args:
        command: the child, which gets the numbers of the files as further arguments.
        files: handed to it open.
        tell: told how far it is.
        look: called again and again; what it raises ends the child.
        failure: makes the error of a child that ended early or spoke out of turn.

    Raises:
        HolotypeError: what it failed by.
    """
    numbers = [file.fileno() for file in files]
    with _child([*command, *map(str, numbers)], numbers) as process:
        assert process.stdout is not None
        for line in _lines(process.stdout, look):
            match _message(line):
                case {"step": str(words), "share": float(share)}:
                    tell(Standing(words, share))
                case {"failed": str(kind), "message": str(text)}:
                    raise by_name(kind, text)
                case {"done": True}:
                    return
                case _:
                    raise failure(f"said what it should not: {line[:80]!r}")
        raise failure(f"ended before it was done ({_end_of(process)})")


@contextmanager
def told_to_parent() -> Iterator[Tell]:
    """In the child: give way, tell the parent how far the work is and how it ends, end with it."""
    os.nice(NICENESS)
    messages = _own_stdout()
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def say(**message: Any) -> None:
        messages.write(json.dumps(message).encode() + b"\n")

    try:
        yield lambda standing: say(**asdict(standing))
    except HolotypeError as error:
        say(failed=type(error).__name__, message=str(error))
    else:
        say(done=True)


def opened(numbers: Sequence[str]) -> list[IO[bytes]]:
    """In the child: the files that it was handed."""
    return [os.fdopen(int(number), "r+b") for number in numbers]


@contextmanager
def _child(command: list[str], files: list[int]) -> Iterator[subprocess.Popen[bytes]]:
    """The child, until the end of a block; then it is no more."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, pass_fds=files)  # noqa: S603  ours
    with process:
        try:
            yield process
        finally:
            process.kill()  # it has nothing to tidy up


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


def _own_stdout() -> IO[bytes]:
    """The stream to the parent; whatever prints from here on goes to standard error."""
    stream = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return stream


def _end_with_parent() -> None:
    """Standard input ends when the parent does, however it does."""
    # Not through `sys.stdin`: its lock would be held when a failing child ends before its parent.
    while os.read(0, LINE_BYTES):
        pass
    os._exit(1)
