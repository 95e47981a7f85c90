"""Scope of what belongs to one name."""

from __future__ import annotations

from constructs import Construct

from .checks import known


def named_scope(scope: Construct, prefix: str, name: str) -> Construct:
    """A scope whose logical ids change with a name.

    If a job or an endpoint gets another name, its custom resource, the function behind it and the
    function's policies are new resources. CloudFormation then deletes what had the former name by
    the former function, which may do so; the policies of one function allow one name only.

    Args:
        scope: Parent construct.
        prefix: Prefix of the construct id, so that no name is the id of a sibling.
        name: The name; one that is not known at synthesis does not change the ids.

    """
    return Construct(scope, f"{prefix}-{name}" if known(name) else prefix)
