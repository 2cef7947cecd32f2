"""Multinomial logistic regression: one batched solver for every strength and every fold.

A problem is a set of rows to train on and a strength C; all problems of a call share the
vectors, so that one matrix product serves them all. For each problem b the solver minimises,
as scikit-learn's `LogisticRegression(C=C)` does,

    sum over its rows of -log p(class | vector)  +  |W_b|^2 / (2 C)

over weights W and a bias that is not penalised (here divided by the number of rows).

The method is L-BFGS (Nocedal and Wright, Numerical Optimization, 2nd ed., algorithm 7.4)
with two changes that cut the number of passes to a tenth:

- The first Hessian approximation is not the identity but `p_k (1 - p_k) * covariance`
  per class k, plus the penalty: diagonal in the eigenbasis of the covariance.
- A path of growing C starts each strength from the solution of the one before.

Torch does the arithmetic, on a GPU where there is one; memory beyond the vectors is a few
times the weights plus one block of logits. Nothing here depends on a random number.

Shapes: N vectors, D dimensions, R of them in use, K classes, B problems.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from head.lda import LinearLayer
from head.runtime import Runtime
from holotype.references import Vectors

Codes = npt.NDArray[np.int64]

TOLERANCE = 1e-3
"""A problem is solved when a Newton step promises less than this share of its loss: from
there on predictions of fewer than 0.5 % of unseen vectors change (tests compare)."""

ROTATED_UP_TO = 50_000
"""Vectors; see `Space`."""

NO_VARIANCE = 1e-9
"""Share of the largest variance below which an axis is rounding error."""

MAX_STEPS = 200
HISTORY = 8
"""Pairs of steps that the Hessian approximation remembers."""

BLOCK_ELEMENTS = 2**24
"""Logits held at a time: 64 MiB of float32."""

SUFFICIENT_DECREASE = 1e-4
SHORTEN = 0.4
MAX_SHORTENINGS = 12
"""Of the line search (Armijo's rule)."""

BIAS_CURVATURE_FLOOR = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """Solved problems; keep it to start the next strength from."""

    weights: Tensor
    """(B, R, K) in the coordinates of `space`."""
    bias: Tensor
    """(B, K), for vectors less the mean of `space`."""
    space: Space
    passes: int
    """Passes over the vectors that it took."""

    def only(self, problem: int) -> Solution:
        """One of the problems alone."""
        chosen = slice(problem, problem + 1)
        return Solution(self.weights[chosen], self.bias[chosen], self.space, self.passes)

    def layer(self, problem: int) -> LinearLayer:
        """The linear layer of one problem, for vectors as they are stored."""
        weights = self.space.to_vectors(self.weights[problem]).double().cpu()
        bias = self.bias[problem].double().cpu() - self.space.mean.double().cpu() @ weights
        return LinearLayer(weights=weights.T.contiguous().numpy(), bias=bias.numpy())


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """The vectors that all problems share, in the coordinates that the solver works in.

    Up to `ROTATED_UP_TO` vectors those are the R principal axes, so that vectors that span
    less than D dimensions cost less, and the preconditioner is diagonal. Beyond, a rotated
    copy would cost more memory than it saves time, and they are the D dimensions themselves.
    """

    x: Tensor
    """(N, R) coordinates of the vectors less the mean; (N, D) plain vectors if not rotated."""
    y: Tensor
    """(N,) classes."""
    n_classes: int
    mean: Tensor
    """(D,)."""
    variances: Tensor
    """(R,) eigenvalues of the covariance."""
    axes: Tensor
    """(D, R) its eigenvectors, as columns."""
    rotated: bool
    on_pass: Callable[[], None]
    """Called after every pass over the vectors: a sign of life."""

    @property
    def offset(self) -> Tensor:
        """What is still to be subtracted from `x`."""
        return torch.zeros_like(self.variances) if self.rotated else self.mean

    def to_vectors(self, weights: Tensor) -> Tensor:
        """(D, K) weights of these (R, K)."""
        return self.axes @ weights if self.rotated else weights

    def from_vectors(self, weights: Tensor) -> Tensor:
        """(B, R, K) weights that act on this space's vectors as these (B, D, K) do."""
        return torch.matmul(self.axes.T, weights) if self.rotated else weights


def make_space(
    vectors: Vectors,
    codes: Codes,
    *,
    n_classes: int,
    runtime: Runtime | None = None,
) -> Space:
    """Take (N, D) vectors and (N,) classes. More than `ROTATED_UP_TO` are not copied on a CPU."""
    runtime = runtime or Runtime()
    where = torch.device(choose_device(runtime.device))
    x = torch.from_numpy(vectors).to(where)
    mean = x.mean(dim=0)
    rotated = len(x) <= ROTATED_UP_TO
    if rotated:
        x = x - mean
    variances, axes = _principal_axes(x, mean, centred=rotated)
    return Space(
        x=x @ axes if rotated else x,
        y=torch.from_numpy(codes).to(where),
        n_classes=n_classes,
        mean=mean,
        variances=variances,
        axes=axes,
        rotated=rotated,
        on_pass=runtime.on_pass,
    )


def _principal_axes(x: Tensor, mean: Tensor, *, centred: bool) -> tuple[Tensor, Tensor]:
    """(R,) variances and (D, R) axes along which the vectors differ."""
    n, dimension = x.shape
    if centred and n < dimension:
        # The smaller of the two matrices of inner products holds the same eigenvalues.
        squares, combinations = torch.linalg.eigh((x @ x.T).double())
        kept = squares > squares[-1] * NO_VARIANCE
        squares = squares[kept]
        axes = x.T.double() @ combinations[:, kept] / squares.sqrt()
        return (squares / n).float(), axes.float()
    covariance = x.T @ x / n
    if not centred:
        covariance -= torch.outer(mean, mean)
    variances, axes = torch.linalg.eigh(covariance)
    return variances.clamp_min(0), axes


def solve(
    space: Space,
    rows: npt.NDArray[np.bool_],
    strengths: npt.NDArray[np.float64],
    *,
    start: Solution | None = None,
    tolerance: float = TOLERANCE,
) -> Solution:
    """Solve B problems.

    Args:
        space: what they share.
        rows: (B, N) which vectors each problem is trained on.
        strengths: (B,) scikit-learn's C of each problem.
        start: solution of B similar problems to start from, of this or another space.
        tolerance: see `TOLERANCE`.
    """
    objective = _Objective(space, rows, strengths)
    first = objective.zero() if start is None else _moved(start, space)
    at = objective.at(first, with_curvature=True)
    solved, passes = _lbfgs(objective, at, tolerance=tolerance)
    return Solution(weights=solved.weights, bias=solved.bias, space=space, passes=passes)


def choose_device(asked: str = "auto") -> str:
    """`cuda` where there is one and it may be used, else `cpu`.

    An Apple GPU has no eigendecomposition, and a CPU is quick enough for the sizes there.
    """
    return "cuda" if asked in ("auto", "cuda") and torch.cuda.is_available() else "cpu"


@dataclass(frozen=True, slots=True, eq=False)
class _Point:
    """Where B problems are, or a direction in that space."""

    weights: Tensor
    bias: Tensor

    def dot(self, other: _Point) -> Tensor:
        """(B,) inner products."""
        over_weights = (self.weights * other.weights).sum(dim=(1, 2))
        return over_weights + (self.bias * other.bias).sum(dim=1)

    def plus(self, other: _Point, times: Tensor) -> _Point:
        """The point `times` (B,) the other away from this one."""
        return _Point(
            torch.addcmul(self.weights, times[:, None, None], other.weights),
            torch.addcmul(self.bias, times[:, None], other.bias),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """A point with its loss and gradient."""

    point: _Point
    loss: Tensor
    """(B,) penalised mean loss."""
    gradient: _Point
    curvature: Tensor
    """(B, K) mean of p (1 - p); empty where it was not asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """A remembered step and how the gradient changed over it."""

    step: _Point
    change: _Point
    scale: Tensor
    """(B,) one over their inner product; 0 where the step taught nothing."""


class _Objective:
    """Loss and gradient of B problems, a block of vectors at a time."""

    def __init__(
        self,
        space: Space,
        rows: npt.NDArray[np.bool_],
        strengths: npt.NDArray[np.float64],
    ) -> None:
        self._space = space
        device = space.x.device
        marked = torch.from_numpy(rows).to(device)
        n = marked.sum(dim=1)
        self._row_weights = (marked / n[:, None]).T.contiguous()  # (N, B)
        self.penalty = (1.0 / (torch.from_numpy(strengths).to(device) * n)).float()

    def zero(self) -> _Point:
        """No weights; the bias that gives every class its share."""
        space = self._space
        (n, problems), dimension = self._row_weights.shape, space.x.shape[1]
        shares = self._row_weights.new_zeros(space.n_classes, problems)
        shares.index_add_(0, space.y, self._row_weights)
        return _Point(
            weights=shares.new_zeros(problems, dimension, space.n_classes),
            bias=shares.T.clamp_min(1.0 / n**2).log(),
        )

    def at(self, point: _Point, *, with_curvature: bool = False) -> _State:
        """Loss and gradient at a point: one pass over the vectors."""
        space = self._space
        problems, dimension, k = point.weights.shape
        flat = point.weights.permute(1, 0, 2).reshape(dimension, problems * k)
        offset = point.bias.reshape(-1) - space.offset @ flat
        gradient, bias_gradient = torch.zeros_like(flat), torch.zeros_like(offset)
        loss, curvature = flat.new_zeros(problems), flat.new_zeros(problems, k)
        size = max(64, BLOCK_ELEMENTS // (problems * k))
        for first in range(0, len(space.x), size):
            x, y = space.x[first : first + size], space.y[first : first + size]
            weights = self._row_weights[first : first + size]
            p = torch.addmm(offset, x, flat).view(len(x), problems, k)
            own = y[:, None, None].expand(-1, problems, 1)
            loss += _to_probabilities(p, own, weights)
            if with_curvature:
                curvature += torch.einsum("nbk,nb->bk", p * (1 - p), weights)
            p.scatter_add_(2, own, p.new_full((1, 1, 1), -1.0).expand_as(own))
            residual = (p * weights[:, :, None]).view(len(x), problems * k)
            gradient.addmm_(x.T, residual)
            bias_gradient += residual.sum(dim=0)
        gradient -= torch.outer(space.offset, bias_gradient)
        by_problem = gradient.view(dimension, problems, k).permute(1, 0, 2)
        space.on_pass()
        return _State(
            point=point,
            loss=loss + 0.5 * self.penalty * (point.weights**2).sum(dim=(1, 2)),
            gradient=_Point(
                weights=by_problem + self.penalty[:, None, None] * point.weights,
                bias=bias_gradient.view(problems, k),
            ),
            curvature=curvature,
        )

    def precondition(self, direction: _Point, curvature: Tensor) -> _Point:
        """Solve with the Hessian approximation."""
        space = self._space
        along_axes = direction.weights
        if not space.rotated:
            along_axes = torch.matmul(space.axes.T, along_axes)
        along_axes = along_axes / (
            curvature[:, None, :] * space.variances[None, :, None] + self.penalty[:, None, None]
        )
        if not space.rotated:
            along_axes = torch.matmul(space.axes, along_axes)
        return _Point(
            weights=along_axes,
            bias=direction.bias / curvature.clamp_min(BIAS_CURVATURE_FLOOR),
        )


def _moved(start: Solution, space: Space) -> _Point:
    """The same predictions in the coordinates of another space."""
    if start.space is space:
        return _Point(start.weights, start.bias)
    weights = torch.stack([start.space.to_vectors(one) for one in start.weights])
    further = torch.einsum("d,bdk->bk", space.mean - start.space.mean, weights)
    return _Point(space.from_vectors(weights), start.bias + further)


def _to_probabilities(logits: Tensor, own: Tensor, weights: Tensor) -> Tensor:
    """Turn (n, B, K) logits into probabilities in place; the weighted loss (B,)."""
    logits -= logits.amax(dim=2, keepdim=True)
    own_logit = logits.gather(2, own)[:, :, 0]
    logits.exp_()
    sums = logits.sum(dim=2)
    logits /= sums[:, :, None]
    return ((sums.log() - own_logit) * weights).sum(dim=0)


def _lbfgs(objective: _Objective, at: _State, *, tolerance: float) -> tuple[_Point, int]:
    curvature = at.curvature
    remembered: list[_Step] = []
    passes = 1
    for _ in range(MAX_STEPS):
        direction = _direction(objective, at.gradient, remembered, curvature)
        promised = -at.gradient.dot(direction)
        open_ = promised > tolerance * at.loss
        if not bool(open_.any()):
            break
        reached, taken = _line_search(objective, at, direction, promised, open_)
        passes += taken
        remembered = [*remembered[-(HISTORY - 1) :], _remember(at, reached)]
        at = reached
    return at.point, passes


def _direction(
    objective: _Objective, gradient: _Point, remembered: list[_Step], curvature: Tensor
) -> _Point:
    """The two-loop recursion."""
    q = gradient
    factors: list[Tensor] = []
    for past in reversed(remembered):
        factors.append(past.scale * past.step.dot(q))
        q = q.plus(past.change, -factors[-1])
    r = objective.precondition(q, curvature)
    for past, factor in zip(remembered, reversed(factors), strict=True):
        r = r.plus(past.step, factor - past.scale * past.change.dot(r))
    return _Point(-r.weights, -r.bias)


def _line_search(
    objective: _Objective, at: _State, direction: _Point, promised: Tensor, open_: Tensor
) -> tuple[_State, int]:
    """Full steps where they help enough, shorter ones elsewhere; solved problems stay."""
    length = open_.float()
    noise = torch.finfo(at.loss.dtype).eps * at.loss.abs()
    reached = at
    for taken in range(1, MAX_SHORTENINGS + 1):
        reached = objective.at(at.point.plus(direction, length))
        enough = at.loss - SUFFICIENT_DECREASE * length * promised + noise
        if bool((reached.loss <= enough).all()):
            return reached, taken
        length = torch.where(reached.loss <= enough, length, length * SHORTEN)
    return reached, MAX_SHORTENINGS


def _remember(before: _State, after: _State) -> _Step:
    nothing = torch.full_like(before.loss, -1.0)
    step = after.point.plus(before.point, nothing)
    change = after.gradient.plus(before.gradient, nothing)
    inner = step.dot(change)
    taught = inner > torch.finfo(inner.dtype).tiny
    scale = torch.where(taught, 1.0 / inner.clamp_min(torch.finfo(inner.dtype).tiny), 0.0)
    return _Step(step=step, change=change, scale=scale)
