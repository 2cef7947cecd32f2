"""Multinomial logistic regression by a quasi-Newton method that knows the classes.

For a strength C the solver minimises, as scikit-learn's `LogisticRegression(C=C)` does,

    sum over references of -log p(class | vector)  +  |W|^2 / (2 C)

over weights W and a bias that is not penalised (here divided by the number of references).

The method is L-BFGS (Nocedal and Wright, Numerical Optimization, 2nd ed., algorithm 7.4). What
cuts its passes over the vectors to a fifth is the Hessian that it starts from. Only vectors that
class k could be mistaken for bend the loss in the weights of class k; they lie about its mean and
spread as references of one class do. So its block of the Hessian is close to `p_k (1 - p_k)`
times the within-class covariance about the mean of class k, plus the penalty: diagonal in the
eigenbasis of that covariance once the bias is counted from the class mean. A path of growing C
starts each strength from the solution of the one before.

Torch does the arithmetic, on a GPU where there is one; memory beyond the vectors is a few
times the weights plus one block of logits. Nothing here depends on a random number.

Shapes: N vectors, D dimensions, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from head.fit.lda import LinearLayer
from head.fit.options import TrainOptions
from holotype.references import Codes, Vectors

TOLERANCE = 1e-3
"""Solved when a quasi-Newton step promises less than this share of the loss: from there on
predictions of fewer than 0.5 % of unseen vectors change (tests compare)."""

ROTATED_UP_TO = 50_000
"""Vectors; see `SolverSpace`."""

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
class SolverSpace:
    """What is trained on, in the coordinates that the solver works in.

    Up to `ROTATED_UP_TO` vectors those are along the axes of the within-class covariance, in
    which the first Hessian is diagonal. Beyond, a rotated copy would cost more memory than it
    saves time, and they are the D dimensions themselves.
    """

    x: Tensor
    """(N, D) vectors less the mean, along the axes; as they came if not rotated."""
    y: Tensor
    """(N,) classes."""
    shares: Tensor
    """(K,) of the references; 0 for a class without any."""
    mean: Tensor
    """(D,) of the vectors."""
    variances: Tensor
    """(D,) eigenvalues of the within-class covariance."""
    axes: Tensor
    """(D, D) its eigenvectors, as columns."""
    class_means: Tensor
    """(D, K) class means less the mean, along the axes."""
    rotated: bool
    on_pass: Callable[[], None]
    """Called after every pass over the vectors: a sign of life."""

    @property
    def offset(self) -> Tensor:
        """What is still to be subtracted from `x`."""
        return torch.zeros_like(self.mean) if self.rotated else self.mean

    def to_vectors(self, weights: Tensor) -> Tensor:
        """(D, K) weights on vectors as they came."""
        return self.axes @ weights if self.rotated else weights

    def from_vectors(self, weights: Tensor) -> Tensor:
        """Inverse of `to_vectors`."""
        return self.axes.T @ weights if self.rotated else weights


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """A solved problem."""

    weights: Tensor
    """(D, K) in the coordinates of `space`."""
    bias: Tensor
    """(K,), for vectors less the mean of `space`."""
    space: SolverSpace
    passes: int
    """Passes over the vectors that it took."""

    def layer(self) -> LinearLayer:
        """The linear layer for vectors as they came."""
        weights = self.space.to_vectors(self.weights).double().cpu()
        bias = self.bias.double().cpu() - self.space.mean.double().cpu() @ weights
        return LinearLayer(weights=weights.T.contiguous().numpy(), bias=bias.numpy())


def make_space(
    vectors: Vectors,
    codes: Codes,
    *,
    n_classes: int,
    options: TrainOptions | None = None,
) -> SolverSpace:
    """Take (N, D) vectors and (N,) classes. More than `ROTATED_UP_TO` are not copied on a CPU."""
    options = options or TrainOptions()
    where = torch.device(choose_device(options.device))
    x, y = torch.from_numpy(vectors).to(where), torch.from_numpy(codes).to(where)
    mean = x.mean(dim=0)
    counts = torch.bincount(y, minlength=n_classes).to(x.dtype)
    sums = x.new_zeros(n_classes, x.shape[1]).index_add_(0, y, x)
    # A class without references is taken to lie in the middle.
    means = torch.where(counts[:, None] > 0, sums / counts.clamp_min(1)[:, None], mean)
    variances, axes = _eigh(_within_class_covariance(x, y, means))
    rotated = len(x) <= ROTATED_UP_TO
    return SolverSpace(
        x=(x - mean) @ axes if rotated else x,
        y=y,
        shares=counts / len(x),
        mean=mean,
        variances=variances.clamp_min(0),
        axes=axes,
        class_means=((means - mean) @ axes).T.contiguous(),
        rotated=rotated,
        on_pass=options.on_pass,
    )


def _within_class_covariance(x: Tensor, y: Tensor, means: Tensor) -> Tensor:
    scatter = x.new_zeros(x.shape[1], x.shape[1])
    for rows in _blocks(len(x), x.shape[1]):
        centred = x[rows] - means[y[rows]]
        scatter.addmm_(centred.T, centred)
    return scatter / len(x)


def _eigh(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues and vectors.

    Where references are fewer than dimensions most eigenvalues are rounding errors of zero. Among
    them single precision may not converge, or give NaN and say nothing; double precision, which
    takes twice as long, does not. The solver is right along any axes and only faster along these,
    so the dimensions themselves serve where both fail.
    """
    for dtype in (covariance.dtype, torch.float64):
        try:
            variances, axes = torch.linalg.eigh(covariance.to(dtype))
        except torch.linalg.LinAlgError:  # type: ignore[attr-defined]  # stubs lack it
            continue
        if bool(variances.isfinite().all() and axes.isfinite().all()):
            return variances.to(covariance.dtype), axes.to(covariance.dtype)
    return covariance.diagonal(), torch.eye(len(covariance)).to(covariance)


def _blocks(n: int, width: int) -> Iterator[slice]:
    size = max(64, BLOCK_ELEMENTS // width)
    for first in range(0, n, size):
        yield slice(first, first + size)


def solve(
    space: SolverSpace,
    strength: float,
    *,
    start: LinearLayer | None = None,
    tolerance: float = TOLERANCE,
) -> Solution:
    """Fit.

    Args:
        space: what to train on.
        strength: scikit-learn's C.
        start: what solves a similar problem (another strength, other references), for vectors
            as they came.
        tolerance: see `TOLERANCE`.
    """
    objective = _Objective(space, strength)
    first = objective.zero() if start is None else _placed(start, space)
    solved, passes = _lbfgs(objective, first, tolerance=tolerance)
    return Solution(weights=solved.weights, bias=solved.bias, space=space, passes=passes)


def choose_device(asked: str = "auto") -> str:
    """`cuda` where there is one and it may be used, else `cpu`.

    An Apple GPU has no eigendecomposition, and a CPU is quick enough for the sizes there.
    """
    return "cuda" if asked in ("auto", "cuda") and torch.cuda.is_available() else "cpu"


@dataclass(frozen=True, slots=True, eq=False)
class _Point:
    """Weights (D, K) and bias (K,), or a direction among them."""

    weights: Tensor
    bias: Tensor

    def dot(self, other: _Point) -> float:
        """Inner product."""
        return float((self.weights * other.weights).sum() + (self.bias * other.bias).sum())

    def plus(self, other: _Point, times: float) -> _Point:
        """The point `times` the other away from this one."""
        return _Point(
            self.weights.add(other.weights, alpha=times), self.bias.add(other.bias, alpha=times)
        )

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

    def __init__(self, space: SolverSpace, strength: float) -> None:
        self._space = space
        self.penalty = 1.0 / (strength * len(space.x))
        self._curvature = torch.empty(0)

    def zero(self) -> _Point:
        """No weights; the bias that gives every class its share."""
        space = self._space
        return _Point(
            weights=torch.zeros_like(space.class_means),
            bias=space.shares.clamp_min(1.0 / len(space.x) ** 2).log(),
        )

    def at(self, point: _Point, *, with_curvature: bool = False) -> _State:
        """Loss and gradient at a point: one pass over the vectors.

        `with_curvature`: also take the mean of p (1 - p) for `precondition`.
        """
        space, weights = self._space, point.weights
        offset = point.bias - space.offset @ weights
        gradient, bias_gradient = torch.zeros_like(weights), torch.zeros_like(offset)
        curvature, loss = torch.zeros_like(offset), 0.0
        for rows in _blocks(len(space.x), weights.shape[1]):
            x, own = space.x[rows], space.y[rows][:, None]
            p = torch.addmm(offset, x, weights)
            loss += _to_probabilities(p, own)
            if with_curvature:
                curvature += (p * (1 - p)).sum(dim=0)
            p.scatter_add_(1, own, p.new_full((1, 1), -1.0).expand_as(own))
            gradient.addmm_(x.T, p)
            bias_gradient += p.sum(dim=0)
        gradient -= torch.outer(space.offset, bias_gradient)
        n = len(space.x)
        if with_curvature:
            self._curvature = curvature / n
        space.on_pass()
        return _State(
            point=point,
            loss=loss / n + 0.5 * self.penalty * float((weights**2).sum()),
            gradient=_Point(gradient / n + self.penalty * weights, bias_gradient / n),
        )

    def precondition(self, direction: _Point) -> _Point:
        """Solve with the first Hessian, about the class means."""
        space, curvature = self._space, self._curvature
        along = direction.weights if space.rotated else space.axes.T @ direction.weights
        along = along - space.class_means * direction.bias
        along = along / (space.variances[:, None] * curvature + self.penalty)
        bias = direction.bias / curvature.clamp_min(BIAS_CURVATURE_FLOOR)
        bias = bias - (along * space.class_means).sum(dim=0)
        return _Point(along if space.rotated else space.axes @ along, bias)


def _placed(layer: LinearLayer, space: SolverSpace) -> _Point:
    """The same predictions in the coordinates of a space; inverse of `Solution.layer`."""
    bias = layer.bias + layer.weights @ space.mean.double().cpu().numpy()
    weights, bias = (torch.from_numpy(array).to(space.x) for array in (layer.weights.T, bias))
    return _Point(space.from_vectors(weights), bias)


def _to_probabilities(logits: Tensor, own: Tensor) -> float:
    """Turn (n, K) logits into probabilities in place; the summed loss."""
    logits -= logits.amax(dim=1, keepdim=True)
    own_logit = logits.gather(1, own)[:, 0]
    logits.exp_()
    sums = logits.sum(dim=1)
    logits /= sums[:, None]
    return float((sums.log() - own_logit).double().sum())


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
