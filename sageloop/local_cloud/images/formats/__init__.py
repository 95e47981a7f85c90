"""The data formats of SageMaker's built-in algorithms, read and written.

``media`` names them, ``text`` is CSV and libsvm, ``recordio`` the framing and ``record`` the
protobuf message of RecordIO-protobuf, ``rows`` what a request to a model carries and ``tables``
a channel of a training job.
"""
