"""Owners of documents: of two resources of a template with one name, the later one owns it."""

from __future__ import annotations

from sageloop_runtime.aws.state_table import Row
from sageloop_runtime.names import canonical


def ownership(row: Row, owner: str) -> Row:
    """The change that makes a resource the owner of a document.

    It keeps the document of the previous owner, if that was another: its resource is deleted
    after this one was created, and a roll-back restores it.

    Args:
        row: the row of the document before; empty if its document is not valid any more.
        owner: the resource.

    """
    previous = row.get("owner")
    if previous is None:
        return {"owner": owner, "former": None}
    if previous == owner:
        return {"owner": owner}
    former = {key: row[key] for key in ("document", "digest", "owner")}
    return {"owner": owner, "former": canonical(former)}
