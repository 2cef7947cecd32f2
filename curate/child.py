"""The child of `curate.apart`: `python -m curate.child`, started by a service, never by a person.

It maps the vectors, works, and writes what it finds to a file, as JSON.
"""

from __future__ import annotations

import json
import os
import sys

import numpy as np

from curate.view import GalleryView
from curate.work import WORK
from head.process import opened, told_to_parent
from holotype.columns import References


def main() -> None:
    """Work; the arguments are the numbers of three open files: vectors, task, result."""
    # Threads that wait for each other give way, too, instead of spinning.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    with told_to_parent() as tell:
        vectors, task, result = opened(sys.argv[1:])
        task.seek(0)
        asked = json.load(task)
        flat = np.asarray(np.memmap(vectors, np.float32, "r"))
        rows = len(asked["columns"]["ids"])
        view = GalleryView.of(References(vectors=flat.reshape(rows, -1), **asked["columns"]))
        with view.threads():
            found = WORK[asked["kind"]](view, asked["options"], tell)
        result.write(json.dumps(found, allow_nan=False).encode())
        result.flush()


if __name__ == "__main__":
    main()
