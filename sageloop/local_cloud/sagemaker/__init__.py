"""SageMaker: jobs, models, endpoints and the registry, with real lifecycles."""
