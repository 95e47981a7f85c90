"""``Fn::Cidr``: a block of addresses cut in equal parts."""

from __future__ import annotations

from ipaddress import ip_network
from itertools import islice

from sageloop.local_cloud.cloudformation.errors import invalid


def cidr_blocks(block: str, count: str, bits: str = "0") -> list[str]:
    """The first ``count`` (1 to 256) parts of ``block``, each with ``bits`` host bits.

    Raises:
        AwsError: if the block is no network or cannot be cut that often.

    """
    try:
        network = ip_network(block)
        wanted, host_bits = int(count), int(bits)
    except ValueError as error:
        raise invalid(f"Template error: Fn::Cidr got {block}, {count}, {bits}: {error}") from None
    prefix = network.max_prefixlen - host_bits if host_bits else network.prefixlen
    cut = (
        list(islice(network.subnets(new_prefix=prefix), wanted))
        if (network.prefixlen <= prefix <= network.max_prefixlen)
        else []
    )
    if not 1 <= wanted <= 256 or len(cut) < wanted:
        raise invalid(
            f"Template error: Fn::Cidr cannot cut {block} into {count} blocks of {bits} bits"
        )
    return [str(part) for part in cut]
