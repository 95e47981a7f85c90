"""Notebooks."""

from .notebook import Notebook, NotebookBase

__all__ = ["Notebook", "NotebookBase"]
