"""The `sageloop` command: a thin face over boto3, the CDK CLI and the local cloud."""
