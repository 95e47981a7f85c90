"""Application Auto Scaling: scalable targets, policies and scheduled actions."""
