"""The retrain job in a child process, on the store of its parent (see `holotype.relay`).

`python -m head.borrowing` is started by a running service, never by a person: its standard
input and output are the two streams.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import BinaryIO, cast

from head.options import RetrainOptions
from holotype.errors import HolotypeError
from holotype.fingerprint import Fingerprint
from holotype.relay.borrowed import BorrowedStore
from holotype.relay.frames import Message, StreamEnded, receive, send
from holotype.store.port import VectorStore

NICENESS = 10
"""Queries come first: training takes the processor time that they leave."""


def main() -> None:
    """Read the options, train, report."""
    os.nice(NICENESS)
    answers, calls = sys.stdin.buffer, _own_stdout()
    start = receive(answers).data
    store = BorrowedStore(
        gallery=start["gallery"],
        fingerprint=Fingerprint.from_dict(start["fingerprint"]),
        calls=calls,
        answers=answers,
    )
    with suppress(StreamEnded):  # nobody is left to be told
        send(calls, _retrained(store, RetrainOptions(**start["options"])))


def _retrained(store: BorrowedStore, options: RetrainOptions) -> Message:
    from head.job import retrain

    try:
        # It has what the job uses of the port.
        result = retrain(cast("VectorStore", store), options, say=store.say)
    except HolotypeError as error:
        return Message({"failed": type(error).__name__, "message": str(error)})
    return Message({"done": result.to_dict()})


def _own_stdout() -> BinaryIO:
    """The stream to the parent; whatever prints from here on goes to standard error."""
    stream = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return stream


if __name__ == "__main__":
    main()
