"""The quality gate between a finished job and the model registry."""
