"""Replaces the PyTorch part of SageMaker's data parallel library."""
