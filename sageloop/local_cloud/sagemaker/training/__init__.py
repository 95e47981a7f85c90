"""Training jobs: real processes under SageMaker's container contract."""
