from __future__ import annotations

import threading

import pytest

from sageloop.local_cloud.cloudformation.graph import dependencies, in_order, reversed_graph
from sageloop.local_cloud.cloudformation.graph_walk import walk
from sageloop.local_cloud.core.errors import AwsError


def _graph(**properties: object) -> dict[str, frozenset[str]]:
    resources = {name: {"Type": "X", "Properties": value} for name, value in properties.items()}
    return dependencies(resources, known=["Param"], condition=lambda name: name == "Yes")


def test_references_of_each_kind_make_dependencies() -> None:
    graph = _graph(
        A={}, B={"x": {"Ref": "A"}}, C={"x": [{"Fn::GetAtt": ["B", "Arn"]}]},
        D={"x": {"Fn::Sub": ["${A.Arn} ${v} ${!B} ${Param}", {"v": {"Ref": "C"}}]}},
    )  # fmt: skip

    assert graph == {"A": set(), "B": {"A"}, "C": {"B"}, "D": {"A", "C"}}


def test_only_the_selected_branch_adds_dependencies() -> None:
    assert _graph(A={}, B={"x": {"Fn::If": ["No", {"Ref": "A"}, "y"]}})["B"] == frozenset()
    assert _graph(A={}, B={"x": {"Fn::If": ["Yes", {"Ref": "A"}, "y"]}})["B"] == {"A"}


def test_depends_on_inactive_resource_is_ignored() -> None:
    resources = {"A": {"Type": "X", "DependsOn": ["Gone"]}}

    assert dependencies(resources, known=[], condition=bool)["A"] == frozenset()


def test_cycle_error_names_its_members_only() -> None:
    with pytest.raises(AwsError, match=r"Circular dependency between resources: \[A, B\]"):
        _graph(A={"x": {"Ref": "B"}}, B={"x": {"Ref": "A"}}, Outside={"x": {"Ref": "A"}})


def test_every_dangling_reference_is_named() -> None:
    with pytest.raises(AwsError, match=r"Unresolved resource dependencies \[Gone, Lost\]"):
        _graph(A={"x": {"Ref": "Lost"}}, B={"x": {"Ref": "Gone"}})


def test_order_and_its_reverse_follow_dependencies() -> None:
    graph = _graph(C={"x": {"Ref": "B"}}, B={"x": {"Ref": "A"}}, A={})

    assert in_order(graph) == ["A", "B", "C"]
    assert in_order(reversed_graph(graph)) == ["C", "B", "A"]


def test_walk_visits_unrelated_nodes_at_once() -> None:
    together = threading.Barrier(3, timeout=180)

    def visit(_: str) -> bool:
        together.wait()
        return True

    walked = walk({n: frozenset() for n in "abc"}, visit, label="test")

    assert walked.completed == {"a", "b", "c"}


def test_walk_stops_starting_after_the_first_failure() -> None:
    cancelled: list[bool] = []
    graph = {"a": frozenset(), "b": frozenset("a"), "c": frozenset("b")}

    def cancel() -> None:
        cancelled.append(True)

    walked = walk(graph, lambda n: n != "a", label="test", on_first_failure=cancel)

    assert walked.failed == ("a",)
    assert walked.untouched == {"b", "c"}
    assert cancelled == [True]


def test_walk_continues_after_a_failure_without_a_callback() -> None:
    graph = {"a": frozenset(), "b": frozenset("a"), "c": frozenset(), "d": frozenset("c")}

    walked = walk(graph, lambda n: n != "a", label="test")

    assert walked.completed == {"c", "d"}
    assert walked.untouched == {"b"}
