"""Private network and its endpoints."""

from .private import PrivateNetwork

__all__ = ["PrivateNetwork"]
