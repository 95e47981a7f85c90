"""scikit-learn's K-means, imported without pandas, whose tables these programs do not use.

scikit-learn imports pandas if it is installed: a quarter of the 2 s of CPU time of its import.
"""

from __future__ import annotations

import sys

_TABLES = "pandas"

_installed = sys.modules.get(_TABLES)
if _installed is None:
    sys.modules[_TABLES] = None  # type: ignore[assignment]  # its import raises ImportError
try:
    from sklearn.cluster import KMeans, kmeans_plusplus
finally:
    if _installed is None:
        del sys.modules[_TABLES]

__all__ = ["KMeans", "kmeans_plusplus"]
