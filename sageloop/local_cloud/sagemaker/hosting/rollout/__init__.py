"""Deployment of an endpoint update: plan, execution, and baking periods with alarms."""
