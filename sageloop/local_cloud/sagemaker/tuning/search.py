"""Search strategies: optuna's samplers for AWS's strategies, and a grid.

Bayesian is a tree-structured Parzen estimator, Random and Hyperband draw independently, Grid uses
the product of the values in the order of the request. Optuna is imported with the first tuning job.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sageloop.local_cloud.sagemaker.tuning.definitions import Definition

if TYPE_CHECKING:
    import optuna

_SEEDS = 2**32
_STARTUP = 5  # random trials before the estimator is used
_REDUCTION = 3  # Hyperband continues one in three trials at each rung
_REPEATS = 20
_ENUMERABLE = 20_000


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Values to try; ``suggestion_id`` identifies them in later calls."""

    suggestion_id: int
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Result:
    """Values and their objective in a parent tuning job."""

    values: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Hyperband:
    """Bounds of the resource: how many times a training job reports its objective."""

    minimum: int
    maximum: int


class Search(Protocol):
    """The search of one definition. Not thread-safe: the caller holds a lock."""

    def suggest(self) -> Suggestion | None:
        """The next values, or ``None`` if there are no more."""

    def report(self, suggestion_id: int, step: int, value: float) -> bool:
        """Record the objective after ``step`` reports; return whether to stop the trial."""

    def complete(self, suggestion_id: int, value: float | None) -> None:
        """Record the final objective of a trial; ``None`` if it has none."""


def search_for(
    strategy: str, definition: Definition, *, seed: int | None,
    hyperband: Hyperband | None = None, known: Iterable[Result] = (),
) -> Search:  # fmt: skip
    """The search of a strategy. The same seed gives the same sequence for sequential trials."""
    if strategy == "Grid":
        return GridSearch(definition)
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    drawn = None if seed is None else seed % _SEEDS
    sampler: optuna.samplers.BaseSampler
    if strategy == "Bayesian":
        sampler = optuna.samplers.TPESampler(
            seed=drawn, n_startup_trials=_STARTUP, multivariate=True, constant_liar=True
        )
    else:
        sampler = optuna.samplers.RandomSampler(seed=drawn)
    search = StudySearch(definition, sampler, hyperband if strategy == "Hyperband" else None)
    for result in known:
        search.add_result(result)
    return search


class GridSearch:
    """All combinations of categorical values, each once."""

    def __init__(self, definition: Definition) -> None:
        self._names = [p.name for p in definition.searched]
        products = itertools.product(*(tuple(p.texts()) for p in definition.searched))
        self._left = enumerate(products)

    def suggest(self) -> Suggestion | None:
        """The next combination."""
        suggestion_id, values = next(self._left, (0, None))
        if values is None:
            return None
        return Suggestion(suggestion_id, dict(zip(self._names, values, strict=True)))

    def report(self, suggestion_id: int, step: int, value: float) -> bool:
        """Return ``False``: a grid search stops no trial."""
        return False

    def complete(self, suggestion_id: int, value: float | None) -> None:
        """Do nothing: a grid search does not use results."""


class StudySearch:
    """A search with an optuna study in memory."""

    def __init__(
        self, definition: Definition, sampler: optuna.samplers.BaseSampler,
        hyperband: Hyperband | None,
    ) -> None:  # fmt: skip
        import optuna

        self._searched = definition.searched
        self._space = {p.name: p.distribution() for p in definition.searched}
        self._hyperband = hyperband
        self._size = definition.combinations
        self._tried: set[tuple[str, ...]] = set()
        self._trials: dict[int, optuna.Trial] = {}
        # Hyperband derives the bracket of a trial from the study's name, so the name is constant.
        self._study = optuna.create_study(
            study_name="tuning", sampler=sampler, pruner=_pruner(hyperband),
            direction="maximize" if definition.objective.maximize else "minimize",
        )  # fmt: skip

    def add_result(self, result: Result) -> None:
        """Add the result of a parent job if its values lie within the current ranges."""
        import optuna

        drawn = {p.name: _drawn(p, result.values.get(p.name)) for p in self._searched}
        if None in drawn.values():
            return
        trial = optuna.trial.create_trial(
            params=drawn, distributions=self._space, value=result.value
        )
        self._study.add_trial(trial)

    def suggest(self) -> Suggestion | None:
        """Values that were not tried before, as long as there are any."""
        if len(self._tried) >= self._size:
            return None
        for _ in range(_REPEATS):
            trial = self._study.ask(self._space)
            if self._texts(trial) not in self._tried:
                return self._suggest(trial)
            self._study.tell(trial, state=_failed())
        self._enqueue_untried()
        return self._suggest(self._study.ask(self._space))

    def report(self, suggestion_id: int, step: int, value: float) -> bool:
        """Hyperband's successive halving; a trial that exceeds MaxResource is stopped too."""
        if self._hyperband is None:
            return False
        trial = self._trials[suggestion_id]
        trial.report(value, step)
        return step > self._hyperband.maximum or trial.should_prune()

    def complete(self, suggestion_id: int, value: float | None) -> None:
        """Pass the result to the sampler."""
        trial = self._trials.pop(suggestion_id)
        if value is None:
            self._study.tell(trial, state=_failed())
        else:
            self._study.tell(trial, value)

    def _suggest(self, trial: optuna.Trial) -> Suggestion:
        texts = self._texts(trial)
        self._tried.add(texts)
        self._trials[trial.number] = trial
        names = (p.name for p in self._searched)
        return Suggestion(trial.number, dict(zip(names, texts, strict=True)))

    def _texts(self, trial: optuna.Trial) -> tuple[str, ...]:
        return tuple(p.text(trial.params[p.name]) for p in self._searched)

    def _enqueue_untried(self) -> None:
        if self._size > _ENUMERABLE:
            return
        for texts in itertools.product(*(tuple(p.texts()) for p in self._searched)):
            if texts not in self._tried:
                pairs = zip(self._searched, texts, strict=True)
                self._study.enqueue_trial({p.name: p.drawn(text) for p, text in pairs})
                return


def _pruner(hyperband: Hyperband | None) -> optuna.pruners.BasePruner:
    import optuna

    if hyperband is None:
        return optuna.pruners.NopPruner()
    return optuna.pruners.HyperbandPruner(
        min_resource=hyperband.minimum, max_resource=hyperband.maximum, reduction_factor=_REDUCTION
    )


def _failed() -> optuna.trial.TrialState:
    import optuna

    return optuna.trial.TrialState.FAIL


def _drawn(parameter: Any, text: str | None) -> Any:
    return None if text is None else parameter.drawn(text)
