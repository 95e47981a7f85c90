"""Application Auto Scaling: targets and policies, declared and stored."""
