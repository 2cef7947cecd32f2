"""Multinomial logistic regression by a quasi-Newton method that knows the classes.

For a strength C the solver minimises, as scikit-learn's `LogisticRegression(C=C)` does,

    sum over references of -log p(class | vector)  +  |W|^2 / (2 C)

over weights W and a bias that is not penalised (here divided by the number of references).

`whitened`, the penalty is that of weights in the space whitened by the within-class covariance S:
directions in which references of one class differ are the dear ones.

The method is L-BFGS (Nocedal and Wright, Numerical Optimization, 2nd ed., algorithm 7.4). What
cuts its passes over the vectors to a fifth is the Hessian that it starts from. Only vectors that
class k could be mistaken for bend the loss in the weights of class k; they lie about its mean and
spread as references of one class do. So its block of the Hessian is close to `p_k (1 - p_k)`
times the within-class covariance about the mean of class k, plus the penalty: diagonal along the
eigenvectors of that covariance once the bias is counted from the class mean. So vectors are
rotated to these, once for both penalties and every strength, and a path of growing C starts each
strength from the solution of the one before.

NumPy does the arithmetic of small problems; torch that of others, with all cores, or on a GPU
where there is one. The functions used here have the same names in both. Memory beyond the vectors
is a few times the weights plus one block of logits. Nothing here depends on a random number.

Shapes: N vectors, R coordinates, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from head.fit.lda import LinearLayer
from head.fit.options import TrainOptions
from head.fit.statistics import WithinClass
from holotype.references import Codes, Floats, Vectors

Array = Any
"""Of NumPy or torch, float32."""

TOLERANCE = 1e-3
"""Solved when a quasi-Newton step promises less than this share of the loss: from there on
predictions of fewer than 0.5 % of unseen vectors change (tests compare)."""

SMALL = 2**28
"""Products in the logits of all vectors up to which a problem is small: a pass takes one core a
few hundredths of a second, a second core would mostly wait, and torch take longer to import."""

SCALED_ON = 4096
"""Vectors that the mean square length in the whitened space is taken over."""

MAX_STEPS = 200
HISTORY = 8
"""Pairs of steps that the Hessian approximation remembers."""

BLOCK_ELEMENTS = 2**24
"""Numbers in a block of logits, or of vectors: 64 MiB of float32."""

SUFFICIENT_DECREASE = 1e-4
SHORTEN = 0.4
MAX_SHORTENINGS = 12
"""Of the line search (Armijo's rule)."""

BIAS_CURVATURE_FLOOR = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Backend:
    """What does the arithmetic."""

    functions: Any
    """The module: NumPy or torch."""
    put: Callable[[npt.NDArray[Any]], Array]
    """There."""
    get: Callable[[Array], Floats]
    """Back, as float64."""


def backend(*, small: bool, device: str) -> Backend:
    """NumPy for small problems, unless a GPU was asked for; else torch, where it computes best.

    An Apple GPU is not used: a CPU is quick enough for the sizes there.
    """
    if small and device != "cuda":
        return Backend(np, lambda array: array, lambda array: array.astype(np.float64))
    import torch

    where = "cuda" if device in ("auto", "cuda") and torch.cuda.is_available() else "cpu"
    return Backend(
        torch,
        lambda array: torch.from_numpy(array).to(where),
        lambda tensor: tensor.double().cpu().numpy(),
    )


def is_small(n_vectors: int, n_coordinates: int, n_classes: int) -> bool:
    """Whether one core is enough for a problem of this size."""
    return n_vectors * n_coordinates * n_classes <= SMALL


@contextmanager
def worthwhile_threads(n_vectors: int, n_coordinates: int, n_classes: int) -> Iterator[None]:
    """As many threads of the linear algebra as a problem of this size is worth, for a block.

    Threads that wait for each other's cores take many times as long beside other work.
    """
    small = is_small(n_vectors, n_coordinates, n_classes)
    with threadpool_limits(1 if small else None, user_api="blas"):
        yield


@dataclass(frozen=True, slots=True, eq=False)
class SolverSpace:
    """What is trained on, along the axes of the within-class covariance."""

    backend: Backend
    x: Array
    """(N, R) vectors less the centre, along the axes."""
    y: Array
    """(N,) classes."""
    shares: Array
    """(K,) of the references; 0 for a class without any."""
    variances: Array
    """(R,) within a class."""
    class_means: Array
    """(R, K) less the centre, along the axes; 0 for a class without references."""
    whitened_prices: Array
    """(R,) what the square of a weight costs in the whitened space, in which vectors are taken to
    be of unit mean square length."""
    within: WithinClass
    on_pass: Callable[[], None]
    """Called after every pass over the vectors: a sign of life."""


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """A solved problem."""

    weights: Array
    """(R, K) in the coordinates of the space."""
    bias: Array
    """(K,), for vectors less the centre."""
    passes: int = 0
    """Passes over the vectors that it took."""

    @classmethod
    def placed(cls, layer: LinearLayer, space: SolverSpace) -> Solution:
        """The same predictions in the coordinates of a space; inverse of `layer`."""
        weights, bias = layer.weights.T, layer.bias + layer.weights @ space.within.centre
        put = space.backend.put
        return cls(put(_float32(space.within.spread.axes.T @ weights)), put(_float32(bias)))

    def layer(self, space: SolverSpace) -> LinearLayer:
        """The linear layer for vectors as they came."""
        weights = (space.within.spread.axes @ space.backend.get(self.weights)).T
        return LinearLayer(
            weights=weights, bias=space.backend.get(self.bias) - weights @ space.within.centre
        )


def rotated(vectors: Vectors, within: WithinClass) -> Vectors:
    """(N, R) float32 less the centre, along the axes of the covariance."""
    return np.asarray(
        (vectors - _float32(within.centre)) @ _float32(within.spread.axes), np.float32
    )


def make_space(
    x: Vectors, codes: Codes, within: WithinClass, options: TrainOptions | None = None
) -> SolverSpace:
    """Take (N, R) vectors that are `rotated` by their statistics, and (N,) classes."""
    options = options or TrainOptions()
    small = is_small(len(x), x.shape[1], len(within.counts))
    there = backend(small=small, device=options.device)
    shrunk = within.shrunk_variances
    squares = (x[:: max(1, len(x) // SCALED_ON)] ** 2).mean(axis=0)
    square_length = np.divide(squares, shrunk, out=np.zeros_like(shrunk), where=shrunk > 0).sum()
    centred = np.where(within.counts[:, None] > 0, within.means - within.centre, 0.0)
    return SolverSpace(
        backend=there,
        x=there.put(x),
        y=there.put(codes),
        shares=there.put(_float32(within.counts / len(x))),
        variances=there.put(_float32(within.spread.variances)),
        class_means=there.put(_float32((centred @ within.spread.axes).T)),
        whitened_prices=there.put(_float32(shrunk * square_length)),
        within=within,
        on_pass=options.on_pass,
    )


def solve(
    space: SolverSpace,
    strength: float,
    *,
    whitened: bool = False,
    start: Solution | None = None,
    tolerance: float = TOLERANCE,
) -> Solution:
    """Fit.

    Args:
        space: what to train on.
        strength: scikit-learn's C.
        whitened: penalise the weights of whitened vectors.
        start: what solves a similar problem (another strength, other references) in this space.
        tolerance: see `TOLERANCE`.
    """
    prices = space.whitened_prices
    if not whitened:
        prices = space.backend.functions.ones_like(prices)
    objective = _Objective(space, prices / (strength * len(space.x)))
    first = objective.zero() if start is None else _Point(start.weights, start.bias)
    solved, passes = _lbfgs(objective, first, tolerance=tolerance)
    return Solution(solved.weights, solved.bias, passes)


def _float32(array: npt.NDArray[np.floating]) -> Vectors:
    return np.ascontiguousarray(array, np.float32)


def _blocks(n: int, width: int) -> Iterator[slice]:
    size = max(64, BLOCK_ELEMENTS // width)
    for first in range(0, n, size):
        yield slice(first, first + size)


@dataclass(frozen=True, slots=True, eq=False)
class _Point:
    """Weights (D, K) and bias (K,), or a direction among them."""

    weights: Array
    bias: Array

    def dot(self, other: _Point) -> float:
        """Inner product."""
        return float((self.weights * other.weights).sum() + (self.bias * other.bias).sum())

    def plus(self, other: _Point, times: float) -> _Point:
        """The point `times` the other away from this one."""
        return _Point(self.weights + times * other.weights, self.bias + times * other.bias)

    def scaled(self, factor: float) -> _Point:
        """The direction `factor` times as long."""
        return _Point(self.weights * factor, self.bias * factor)


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """A point with its penalised mean loss and gradient."""

    point: _Point
    loss: float
    gradient: _Point


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """A remembered step, how the gradient changed over it, and their inner product."""

    step: _Point
    change: _Point
    inner: float


class _Objective:
    """Loss and gradient, a block of vectors at a time."""

    def __init__(self, space: SolverSpace, penalties: Array) -> None:
        self._space = space
        self._penalties = penalties[:, None]
        self._curvature: Array = None

    def zero(self) -> _Point:
        """No weights; the bias that gives every class its share."""
        shares = self._space.shares.clip(min=1.0 / len(self._space.x) ** 2)
        xp = self._space.backend.functions
        return _Point(weights=xp.zeros_like(self._space.class_means), bias=xp.log(shares))

    def at(self, point: _Point, *, with_curvature: bool = False) -> _State:
        """Loss and gradient at a point: one pass over the vectors.

        `with_curvature`: also take the mean of p (1 - p) for `precondition`.
        """
        space, weights = self._space, point.weights
        xp, n = space.backend.functions, len(space.x)
        gradient, bias_gradient = xp.zeros_like(weights), xp.zeros_like(point.bias)
        curvature, loss = xp.zeros_like(point.bias), 0.0
        for rows in _blocks(n, weights.shape[1]):
            x, codes = space.x[rows], space.y[rows]
            own = space.backend.put(np.arange(len(codes))), codes
            p = x @ weights
            p += point.bias
            loss += _to_probabilities(p, own, xp)
            if with_curvature:
                curvature += (p * (1 - p)).sum(axis=0)
            p[own] -= 1
            gradient += x.T @ p
            bias_gradient += p.sum(axis=0)
        if with_curvature:
            self._curvature = curvature / n
        space.on_pass()
        penalised = self._penalties * weights
        return _State(
            point=point,
            loss=loss / n + 0.5 * float((weights * penalised).sum()),
            gradient=_Point(gradient / n + penalised, bias_gradient / n),
        )

    def precondition(self, direction: _Point) -> _Point:
        """Solve with the first Hessian, about the class means."""
        space, curvature = self._space, self._curvature
        along = direction.weights - space.class_means * direction.bias
        along = along / (space.variances[:, None] * curvature + self._penalties)
        bias = direction.bias / curvature.clip(min=BIAS_CURVATURE_FLOOR)
        return _Point(along, bias - (along * space.class_means).sum(axis=0))


def _to_probabilities(logits: Array, own: tuple[Array, Array], xp: Any) -> float:
    """Turn (n, K) logits into probabilities in place; the summed loss.

    `own`: rows and columns of the true classes.
    """
    logits -= xp.amax(logits, axis=1)[:, None]
    own_logit = logits[own]
    xp.exp(logits, out=logits)
    sums = logits.sum(axis=1)
    logits /= sums[:, None]
    return float((xp.log(sums) - own_logit).sum(dtype=xp.float64))


def _lbfgs(objective: _Objective, first: _Point, *, tolerance: float) -> tuple[_Point, int]:
    at = objective.at(first, with_curvature=True)
    remembered: list[_Step] = []
    passes = 1
    for _ in range(MAX_STEPS):
        direction = _direction(objective, at.gradient, remembered)
        promised = -at.gradient.dot(direction)
        if promised <= tolerance * at.loss:
            break
        reached, taken = _line_search(objective, at, direction, promised)
        passes += taken
        step, change = reached.point.plus(at.point, -1), reached.gradient.plus(at.gradient, -1)
        if (inner := step.dot(change)) > 0:  # else it taught nothing
            remembered = [*remembered[-(HISTORY - 1) :], _Step(step, change, inner)]
        at = reached
    return at.point, passes


def _direction(objective: _Objective, gradient: _Point, remembered: list[_Step]) -> _Point:
    """The two-loop recursion; the first Hessian is scaled to the latest step (equation 7.20)."""
    q = gradient
    factors: list[float] = []
    for past in reversed(remembered):
        factors.append(past.step.dot(q) / past.inner)
        q = q.plus(past.change, -factors[-1])
    r = objective.precondition(q)
    if remembered:
        latest = remembered[-1]
        r = r.scaled(latest.inner / latest.change.dot(objective.precondition(latest.change)))
    for past, factor in zip(remembered, reversed(factors), strict=True):
        r = r.plus(past.step, factor - past.change.dot(r) / past.inner)
    return r.scaled(-1)


def _line_search(
    objective: _Objective, at: _State, direction: _Point, promised: float
) -> tuple[_State, int]:
    """The full step where it helps enough, else a shorter one."""
    length = 1.0
    noise = float(np.finfo(np.float32).eps) * abs(at.loss)
    reached = at
    for taken in range(1, MAX_SHORTENINGS + 1):
        reached = objective.at(at.point.plus(direction, length))
        if reached.loss <= at.loss - SUFFICIENT_DECREASE * length * promised + noise:
            return reached, taken
        length *= SHORTEN
    return reached, MAX_SHORTENINGS
