"""Providers: create, update and delete each resource type by AWS's own APIs."""
