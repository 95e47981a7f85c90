"""How each resource type is created, updated and deleted through AWS's own APIs."""
