"""Stands in for the PyTorch side of SageMaker's data parallel library."""
