"""Batch transform: runs the containers of a model on the objects under an S3 prefix."""
