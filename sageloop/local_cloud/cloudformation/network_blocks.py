"""``Fn::Cidr``: divides a block of addresses into equal subnets."""

from __future__ import annotations

from ipaddress import ip_network
from itertools import islice

from sageloop.local_cloud.cloudformation.errors import invalid


def cidr_blocks(block: str, count: str, bits: str = "0") -> list[str]:
    """The first ``count`` (1 to 256) subnets of ``block``, each with ``bits`` host bits.

    Raises:
        AwsError: The block is not a network or has fewer subnets.

    """
    try:
        network = ip_network(block)
        number, host_bits = int(count), int(bits)
    except ValueError as error:
        raise invalid(f"Template error: Fn::Cidr got {block}, {count}, {bits}: {error}") from None
    prefix = network.max_prefixlen - host_bits if host_bits else network.prefixlen
    cut = (
        list(islice(network.subnets(new_prefix=prefix), number))
        if (network.prefixlen <= prefix <= network.max_prefixlen)
        else []
    )
    if not 1 <= number <= 256 or len(cut) < number:
        raise invalid(
            f"Template error: Fn::Cidr cannot divide {block} into {count} blocks of {bits} bits"
        )
    return [str(part) for part in cut]
