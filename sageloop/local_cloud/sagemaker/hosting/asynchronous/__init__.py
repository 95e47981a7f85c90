"""Asynchronous endpoints: a request queue, responses in S3 and notifications by SNS."""
