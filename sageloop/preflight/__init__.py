"""The quotas that the stacks of an assembly need, compared with those of an account."""
