"""What runs behind a variant: processes of a container, by fleets; and what they are made from."""
