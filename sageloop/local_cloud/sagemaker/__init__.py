"""SageMaker: jobs, models, endpoints, model registry and notebook instances."""
