"""The built-in K-means algorithm, implemented with scikit-learn: training and serving programs.

The model archive holds one file, ``model_algo-1`` as AWS's does, in a local format: an
uncompressed ``.npz`` of ``format`` (``sageloop.kmeans/1``) and ``centers`` (k x feature_dim,
float32). Models of AWS's K-means cannot be served locally, and AWS cannot serve local models.

https://docs.aws.amazon.com/sagemaker/latest/dg/k-means.html
"""

from __future__ import annotations

MODEL_FILE = "model_algo-1"
MODEL_FORMAT = "sageloop.kmeans/1"

METRIC_DEFINITIONS = [
    {"Name": "train:progress", "Regex": r"#progress_metric: host=\S+, completed (\S+) %"},
    {
        "Name": "train:throughput",
        "Regex": r"#throughput_metric: host=\S+, train throughput=(\S+) records/second",
    },
    *(
        {
            "Name": f"{data}:{metric}",
            "Regex": rf"#quality_metric: host=\S+, {data} {metric} <loss>=(\S+)",
        }
        for data in ("train", "test")
        for metric in ("msd", "ssd")
    ),
]
