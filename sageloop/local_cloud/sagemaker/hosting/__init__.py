"""Endpoints: real model processes behind a router, deployed by AWS's guardrails."""
