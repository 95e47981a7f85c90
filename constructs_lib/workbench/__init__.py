"""Notebooks."""

from .notebook import Notebook

__all__ = ["Notebook"]
