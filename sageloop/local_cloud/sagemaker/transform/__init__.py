"""Batch transform: a model's real containers over the objects of a prefix."""
