"""scikit-learn's K-means, imported without pandas, whose tables these programs do not use.

scikit-learn imports pandas if it is installed: a quarter of the 2 s of CPU time of its import.
"""

from __future__ import annotations

from sageloop.local_cloud.images.optional_imports import not_installed

with not_installed("pandas"):
    from sklearn.cluster import KMeans, kmeans_plusplus

__all__ = ["KMeans", "kmeans_plusplus"]
