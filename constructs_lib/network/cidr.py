"""Rules of the CIDR range of a VPC."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Network, NetmaskValueError

SUBNET_MASK = 20
"""Prefix length of the subnets: 4,091 addresses in each zone."""

# AWS's smallest prefix length of a VPC.
# https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html
_VPC_MASK = 16
# 172.17.0.0/16 is Docker's in SageMaker's notebooks and jobs (as above); the others have no hosts
# (RFC 6890: this network, loopback, link local, multicast and reserved).
_TAKEN = [
    IPv4Network(each)
    for each in ("172.17.0.0/16", "0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3")
]


def cidr_fault(cidr: str, *, zones: int) -> str | None:
    """What the CIDR range of a VPC must be, if it is not.

    Args:
        cidr: The range, for example ``10.0.0.0/16``.
        zones: Number of Availability Zones; each has a subnet.

    >>> cidr_fault("10.0.0.0/16", zones=2)
    >>> cidr_fault("10.0.0.0/24", zones=2)
    'must have a prefix length from /16 to /19 for 2 zones: each has a subnet of /20'

    """
    try:
        network = IPv4Network(cidr, strict=False)
    except (AddressValueError, NetmaskValueError, ValueError):
        return "must be an IPv4 CIDR range such as 10.0.0.0/16"
    if cidr != str(network):
        return f"must be a network's address and prefix length; did you mean {network}?"
    most = SUBNET_MASK - (zones - 1).bit_length()
    if not _VPC_MASK <= network.prefixlen <= most:
        return (
            f"must have a prefix length from /{_VPC_MASK} to /{most} for {zones} zones: "
            f"each has a subnet of /{SUBNET_MASK}"
        )
    taken = [str(each) for each in _TAKEN if each.overlaps(network)]
    if taken:
        return f"must not overlap {taken[0]}, whose addresses a VPC cannot use; try 10.0.0.0/16"
    return None
