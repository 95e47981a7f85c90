"""Readers and writers for the data formats of SageMaker's built-in algorithms.

``media`` has the content types, ``text`` CSV and libsvm, ``recordio`` the RecordIO framing,
``record`` the protobuf message of RecordIO-protobuf, ``rows`` the bodies of inference requests and
``tables`` the channels of training jobs.
"""
