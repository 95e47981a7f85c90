"""Authentication and access control of the local cloud: keys, signatures, callers, policies."""
