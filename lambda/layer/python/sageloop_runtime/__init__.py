"""Shared code of the Lambda functions; handlers import ``sageloop_runtime.functions`` only."""
