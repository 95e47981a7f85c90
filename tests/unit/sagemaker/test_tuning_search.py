from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sageloop.local_cloud.sagemaker.tuning import ranges
from sageloop.local_cloud.sagemaker.tuning.definitions import Definition, Objective
from sageloop.local_cloud.sagemaker.tuning.search import Hyperband, Result, search_for

SEEDS = range(1, 13)


def interval(name: str, low: str, high: str, scale: str = "Linear") -> dict[str, str]:
    return {"Name": name, "MinValue": low, "MaxValue": high, "ScalingType": scale}


def definition(kind: str = "Minimize", **members: list[dict[str, Any]]) -> Definition:
    searched = ranges.parameters(
        {f"{name}ParameterRanges": listed for name, listed in members.items()}
    )
    return Definition("one", Objective("loss", kind), searched, {})


PLANE = definition(Continuous=[interval("x", "-1", "1"), interval("y", "-1", "1")])


def bowl(values: dict[str, str]) -> float:
    return (float(values["x"]) - 0.3) ** 2 + (float(values["y"]) + 0.2) ** 2


def best(strategy: str, seed: int, trials: int = 40) -> float:
    return min(run(strategy, seed, trials))


def run(
    strategy: str, seed: int, trials: int, goal: Callable[[Any], float] = bowl, **members: Any
) -> list[float]:
    search = search_for(strategy, members.pop("of", PLANE), seed=seed, **members)
    objectives = []
    for _ in range(trials):
        suggestion = search.suggest()
        assert suggestion is not None
        objectives.append(goal(suggestion.values))
        search.complete(suggestion.suggestion_id, objectives[-1])
    return objectives


def suggestions_of(search: Any, count: int) -> list[Any]:
    suggestions = [search.suggest() for _ in range(count)]
    return [None if s is None else dict(s.values) for s in suggestions]


@pytest.mark.feature("tuning: Bayesian")
def test_bayesian_search_beats_random_search_on_a_smooth_function() -> None:
    bayesian = [best("Bayesian", seed) for seed in SEEDS]
    random = [best("Random", seed) for seed in SEEDS]

    wins = sum(b < r for b, r in zip(bayesian, random, strict=True))
    assert wins >= 10
    assert sum(bayesian) < 0.25 * sum(random)


@pytest.mark.feature("tuning: RandomSeed")
@pytest.mark.parametrize("strategy", ["Bayesian", "Random", "Hyperband"])
def test_sequence_depends_on_the_seed(strategy: str) -> None:
    bounds = Hyperband(1, 9)

    first, again, other = (run(strategy, s, 15, hyperband=bounds) for s in (3, 3, 2**40 + 4))

    assert first == again
    assert first != other


@pytest.mark.feature("tuning: Grid")
def test_grid_is_the_product_of_values_in_request_order() -> None:
    grid = definition(
        Categorical=[{"Name": "m", "Values": ["b", "a"]}, {"Name": "k", "Values": ["1", "2"]}]
    )

    values = suggestions_of(search_for("Grid", grid, seed=None), 5)

    assert values == [
        {"k": "1", "m": "b"}, {"k": "1", "m": "a"}, {"k": "2", "m": "b"}, {"k": "2", "m": "a"},
        None,
    ]  # fmt: skip


@pytest.mark.parametrize("strategy", ["Bayesian", "Random"])
def test_small_space_is_exhausted_without_repetition(strategy: str) -> None:
    small = definition(
        Integer=[interval("n", "1", "5")], Categorical=[{"Name": "m", "Values": ["a", "b"]}]
    )

    values = suggestions_of(search_for(strategy, small, seed=1), 11)

    assert len({(one["n"], one["m"]) for one in values[:10]}) == 10
    assert values[10] is None


@pytest.mark.feature("tuning: Hyperband")
def test_hyperband_stops_worse_trials_at_rungs_and_at_the_maximum() -> None:
    search = search_for("Hyperband", PLANE, seed=5, hyperband=Hyperband(1, 9))
    epochs = {}
    for number in range(27):
        suggestion = search.suggest()
        assert suggestion is not None
        loss, step = float(27 - number if number % 2 else 100 + number), 0
        stopped = False
        while not stopped and step < 20:
            step += 1
            stopped = search.report(suggestion.suggestion_id, step, loss)
        search.complete(suggestion.suggestion_id, loss)
        epochs[number] = step

    assert max(epochs.values()) == 10
    good = sum(epochs[n] for n in epochs if n % 2) / 13
    bad = sum(epochs[n] for n in epochs if not n % 2) / 14
    assert good > 2 * bad


@pytest.mark.feature("tuning: warm start")
def test_parent_results_improve_first_suggestions() -> None:
    known = [
        Result({"x": repr(0.3 + dx / 20), "y": repr(-0.2 + dy / 20)}, (dx**2 + dy**2) / 400)
        for dx in range(-6, 7, 2)
        for dy in range(-6, 7, 2)
    ]
    outside = [Result({"x": "7", "y": "0"}, -1.0), Result({"x": "0.1"}, -1.0)]

    warm = [sum(run("Bayesian", s, 5, known=known + outside)) for s in SEEDS]
    cold = [sum(run("Bayesian", s, 5)) for s in SEEDS]

    assert sum(warm) < 0.5 * sum(cold)


SCALES = (
    ("Linear", "0.1", "0.9"), ("Logarithmic", "0.00001", "10"), ("ReverseLogarithmic", "0", "0.99")
)  # fmt: skip


@pytest.mark.feature("tuning: scaling")
@pytest.mark.parametrize(("scale", "low", "high"), SCALES)
def test_continuous_values_stay_in_range_and_round_trip(scale: str, low: str, high: str) -> None:
    one = definition(Continuous=[interval("x", low, high, scale)])
    (parameter,) = one.searched

    texts = [values["x"] for values in suggestions_of(search_for("Random", one, seed=1), 50)]

    for text in texts:
        assert float(low) <= float(text) <= float(high)
        assert repr(float(text)) == text
        assert parameter.drawn(text) == pytest.approx(
            1 - float(text) if scale.startswith("Reverse") else float(text)
        )


@pytest.mark.feature("tuning: scaling")
def test_logarithmic_scales_spread_values() -> None:
    def below(scale: str, low: str, high: str, bound: float) -> int:
        one = definition(Continuous=[interval("x", low, high, scale)])
        values = suggestions_of(search_for("Random", one, seed=2), 200)
        return sum(float(f["x"]) < bound for f in values)

    assert below("Linear", "0.0001", "1", 0.01) < 10
    assert 60 < below("Logarithmic", "0.0001", "1", 0.01) < 140
    assert 60 < below("Auto", "0.0001", "1", 0.01) < 140
    assert below("Auto", "0.1", "1", 0.19) < 40
    assert 60 < below("ReverseLogarithmic", "0", "0.9999", 0.99) < 140


@given(st.integers(-1000, 1000), st.integers(1, 500), st.integers(0, 2**31))
def test_integers_have_no_decimal_point(low: int, width: int, seed: int) -> None:
    one = definition(Integer=[interval("n", str(low), str(low + width), "Auto")])

    suggestion = search_for("Random", one, seed=seed).suggest()

    assert suggestion is not None
    assert low <= int(suggestion.values["n"]) <= low + width


def test_combinations_are_infinite_with_a_continuous_range() -> None:
    countable = definition(
        Integer=[interval("n", "3", "7")], Categorical=[{"Name": "m", "Values": ["a", "b"]}]
    )

    assert countable.combinations == 10
    assert math.isinf(PLANE.combinations)
