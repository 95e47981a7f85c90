"""Input channels of a training job: files, read-only files, pipes and file systems."""
