"""Endpoints: model processes behind a router, deployed with AWS's deployment guardrails."""
