"""Processing jobs: a container's program that runs on files from S3, on one or several hosts."""
