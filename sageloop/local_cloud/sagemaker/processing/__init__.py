"""Processing jobs: a program of the user's own over files from S3, on one or several hosts."""
