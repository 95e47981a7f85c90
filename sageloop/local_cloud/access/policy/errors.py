"""The error of a policy document that cannot be evaluated."""

from __future__ import annotations


class PolicyError(ValueError):
    """A policy document that is not written in the policy language.

    ``where`` names the element (``Statement[0].Condition``), ``problem`` describes what is wrong,
    the value, and the allowed values.
    """

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}" if where else problem)
        self.where = where
        self.problem = problem
