"""The `sageloop` command, built on boto3, the CDK CLI and the local cloud."""
