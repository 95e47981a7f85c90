"""Asynchronous endpoints: a queue in front of the instances, answers in S3, notices by SNS."""
