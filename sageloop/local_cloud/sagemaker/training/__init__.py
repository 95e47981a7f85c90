"""Training jobs: processes that follow SageMaker's training container contract."""
