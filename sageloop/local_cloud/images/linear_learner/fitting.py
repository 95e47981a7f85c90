"""Fits weights and bias to a loss: with L-BFGS-B or with mini-batch gradient descent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from sageloop.local_cloud.images.linear_learner.hyperparameters import (
    EXACT,
    Settings,
)
from sageloop.local_cloud.images.linear_learner.losses import Loss

Array = npt.NDArray[Any]
_SEED = 0
ITERATIONS_AN_EPOCH = 20
_TINY = 1e-8
# Called after each epoch; returns whether training continues.
OnEpoch = Callable[[int, Array], bool]


@dataclass(frozen=True, slots=True)
class Problem:
    """The optimization problem: rows (last column: bias), targets, row weights and the loss."""

    rows: Array
    targets: Array
    weights: Array
    outputs: int
    loss: Loss
    settings: Settings

    def penalties(self) -> tuple[Array, Array]:
        """Squared and absolute penalties of each row of coefficients; the bias has its own."""
        squared = np.full((self.rows.shape[1], 1), self.settings.wd)
        absolute = np.full((self.rows.shape[1], 1), self.settings.l1)
        squared[-1] *= self.settings.bias_wd_mult
        absolute[-1] = 0.0
        return squared, absolute


def fit(problem: Problem, on_epoch: OnEpoch) -> None:
    """Train epoch after epoch; ``on_epoch`` receives the coefficients (columns + 1 x outputs)."""
    if problem.settings.optimizer == EXACT:
        _exactly(problem, on_epoch)
    else:
        _by_steps(problem, on_epoch)


def mean_loss(problem: Problem, coefficients: Array) -> float:
    """The mean loss over the rows, without weights and penalties."""
    return float(problem.loss.both(problem.rows @ coefficients, problem.targets)[0].mean())


def _exactly(problem: Problem, on_epoch: OnEpoch) -> None:
    """L-BFGS-B; for an absolute penalty each coefficient is a difference of two values >= 0."""
    shape = (problem.rows.shape[1], problem.outputs)
    squared, absolute = problem.penalties()
    share = problem.weights / problem.weights.sum()
    free = np.ones(shape, bool)
    free[-1] = problem.settings.use_bias
    halves = 2 if problem.settings.l1 else 1

    def objective(flat: Array) -> tuple[float, Array]:
        parts = flat.reshape(halves, *shape)
        at = parts[0] - parts[1] if halves == 2 else parts[0]
        values, slopes = problem.loss.both(problem.rows @ at, problem.targets)
        pull = (problem.rows.T @ (slopes * share[:, None]) + squared * at) * free
        value = float(share @ values) + float((squared * at**2).sum()) / 2
        if halves == 1:
            return value, pull.ravel()
        value += float((absolute * (parts[0] + parts[1])).sum())
        return value, np.stack([pull + absolute, absolute - pull]).ravel()

    bounds = None if halves == 1 else [(0.0, None)] * (2 * free.size)
    flat = np.zeros(halves * free.size)
    for epoch in range(problem.settings.epochs):
        solution = minimize(
            objective, flat, jac=True, method="L-BFGS-B", bounds=bounds,
            options={"maxiter": ITERATIONS_AN_EPOCH, "ftol": 1e-12, "gtol": 1e-7},
        )  # fmt: skip
        flat = solution.x
        parts = flat.reshape(halves, *shape)
        at = parts[0] - parts[1] if halves == 2 else parts[0]
        if not on_epoch(epoch, at.copy()) or solution.status != 1:
            return


def _by_steps(problem: Problem, on_epoch: OnEpoch) -> None:
    settings, random = problem.settings, np.random.default_rng(_SEED)
    at = np.zeros((problem.rows.shape[1], problem.outputs))
    squared, absolute = problem.penalties()
    step = _stepper(settings)
    rates = np.ones((len(at), 1))
    rates[-1] = settings.bias_lr_mult if settings.use_bias else 0.0
    for epoch in range(settings.epochs):
        order = random.permutation(len(problem.rows))
        for start in range(0, len(order), settings.mini_batch_size):
            chosen = order[start : start + settings.mini_batch_size]
            rows, share = problem.rows[chosen], problem.weights[chosen]
            slopes = problem.loss.both(rows @ at, problem.targets[chosen])[1]
            pull = rows.T @ (slopes * (share / share.sum())[:, None]) + squared * at
            move, rate = step(pull)
            at = at - rates * move
            # The proximal step of the absolute penalty: towards zero, not beyond it.
            at = np.sign(at) * np.maximum(abs(at) - rate * absolute, 0)
        if not on_epoch(epoch, at.copy()):
            return


def _stepper(settings: Settings) -> Callable[[Array], tuple[Array, float]]:
    """A function from gradients to updates, with the learning rate of each update."""
    directions: dict[str, _Direction] = {
        "sgd": _Momentum(settings.momentum),
        "adam": _Adam(settings.beta_1, settings.beta_2),
        "rmsprop": _RmsProp(settings.beta_2),
    }
    direction = directions[settings.optimizer]
    count = 0

    def step(pull: Array) -> tuple[Array, float]:
        nonlocal count
        rate = settings.learning_rate
        if settings.use_lr_scheduler:
            rate *= settings.lr_scheduler_factor ** (count // settings.lr_scheduler_step)
            rate = max(rate, min(settings.lr_scheduler_minimum_lr, settings.learning_rate))
        count += 1
        return rate * direction.of(pull), rate

    return step


class _Direction(Protocol):
    def of(self, pull: Array) -> Any: ...


class _Momentum:
    def __init__(self, momentum: float) -> None:
        self._momentum = momentum
        self._velocity: Any = 0.0

    def of(self, pull: Array) -> Any:
        self._velocity = self._momentum * self._velocity + pull
        return self._velocity


class _Adam:
    def __init__(self, first: float, second: float) -> None:
        self._rates = first, second
        self._mean: Any = 0.0
        self._square: Any = 0.0
        self._powers = 1.0, 1.0

    def of(self, pull: Array) -> Any:
        first, second = self._rates
        self._mean = first * self._mean + (1 - first) * pull
        self._square = second * self._square + (1 - second) * pull**2
        self._powers = self._powers[0] * first, self._powers[1] * second
        mean = self._mean / (1 - self._powers[0])
        return mean / (np.sqrt(self._square / (1 - self._powers[1])) + _TINY)


class _RmsProp:
    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._square: Any = 0.0

    def of(self, pull: Array) -> Any:
        self._square = self._decay * self._square + (1 - self._decay) * pull**2
        return pull / (np.sqrt(self._square) + _TINY)
