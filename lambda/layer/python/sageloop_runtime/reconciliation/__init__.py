"""Comparisons of a deployed loop with what is there: differences are repaired, or reported."""
