"""Replaces SageMaker's distributed training libraries, which exist in AWS's images only."""
