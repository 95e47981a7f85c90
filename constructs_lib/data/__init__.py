"""Encrypted stores."""

from .state_table import StateTable
from .store import DataStore, DataStoreBase

__all__ = ["DataStore", "DataStoreBase", "StateTable"]
