from __future__ import annotations

from dataclasses import dataclass

from sageloop.local_cloud.cloudformation.differences import Difference, collides, compare
from sageloop.local_cloud.cloudformation.intrinsics import MAYBE, UNKNOWN


@dataclass(frozen=True)
class _Schema:
    create_only: frozenset[str] = frozenset(("Name", "Code.Bucket", "Rules.*.Id"))
    properties: frozenset[str] = frozenset(("Name", "Code", "Rules", "Size"))
    unordered: frozenset[str] = frozenset(("Tags", "Rules.*.Values"))
    primary_identifier: tuple[str, ...] = ("Name",)


def test_change_of_create_only_property_requires_replacement() -> None:
    assert compare({"Name": "a", "Size": 1}, {"Name": "b", "Size": 2}, _Schema()) == {
        "Name": "Always",
        "Size": "Never",
    }


def test_nested_create_only_path_is_compared_separately() -> None:
    old = {"Code": {"Bucket": "a", "Key": "1"}, "Rules": [{"Id": "x", "v": 1}]}

    assert compare(old, {**old, "Code": {"Bucket": "a", "Key": "2"}}, _Schema()) == {
        "Code": "Never"
    }
    assert compare(old, {**old, "Rules": [{"Id": "y", "v": 1}]}, _Schema()) == {"Rules": "Always"}


def test_unknown_values_make_replacement_definite_or_conditional() -> None:
    assert compare({"Name": "a"}, {"Name": UNKNOWN}, _Schema()) == {"Name": "Always"}
    assert compare({"Name": "a"}, {"Name": MAYBE}, _Schema()) == {"Name": "Conditionally"}
    assert Difference({"Name": "Conditionally"}).replacement == "Conditional"


def test_numbers_and_their_text_are_equal() -> None:
    assert compare({"Size": 3}, {"Size": "3"}, _Schema()) == {}


def test_replacement_under_the_same_name_collides() -> None:
    assert collides({"Name": "a"}, {"Name": "a"}, _Schema())
    assert not collides({"Name": "a"}, {"Name": "b"}, _Schema())
    assert not collides({}, {}, _Schema())


def test_order_counts_unless_the_schema_declares_it_meaningless() -> None:
    first, second = {"Key": "a", "Value": True}, {"Key": "b", "Value": 1}
    turned = [{"Key": "b", "Value": "1"}, {"Key": "a", "Value": "true"}]

    assert compare({"Tags": [first, second]}, {"Tags": turned}, _Schema()) == {}
    assert compare({"Size": [first, second]}, {"Size": turned}, _Schema()) == {"Size": "Never"}
    assert compare({"Tags": [first, first]}, {"Tags": [first, second]}, _Schema()) != {}


def test_order_of_a_nested_list_has_no_meaning_by_its_own_path() -> None:
    old = {"Rules": [{"Id": 1, "Values": ["x", "y"]}, {"Id": 2}]}
    new = {"Rules": [{"Id": 1, "Values": ["y", "x"]}, {"Id": 2}]}

    assert compare(old, new, _Schema()) == {}
    assert compare(old, {"Rules": old["Rules"][::-1]}, _Schema()) == {"Rules": "Always"}


def test_unknown_element_of_an_unordered_list_is_a_change() -> None:
    assert compare({"Tags": ["a", "b"]}, {"Tags": ["b", UNKNOWN]}, _Schema()) == {"Tags": "Never"}
