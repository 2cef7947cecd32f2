"""How many threads the service's own linear algebra takes: one.

A vote solves a system of 100 equations, which is over before other threads have woken up;
they then spin for work that does not come, on cores that the search and the encoder need.
On 2 cores the answer by the learned metric took 40 ms with one thread and 71 ms with two, 24
and 62 ms of processor time (100,000 references, exact search; `docs/LAB.md`).
"""

from __future__ import annotations

import numpy  # noqa: F401  brings the library that is held
from threadpoolctl import threadpool_limits


def hold_to_one_thread() -> None:
    """For good, and for this process: the retrain job has one of its own.

    Call it before torch is imported. Only libraries that are loaded already are held, and the
    encoder's threads are to stay as they are.
    """
    threadpool_limits(limits=1, user_api="blas")
