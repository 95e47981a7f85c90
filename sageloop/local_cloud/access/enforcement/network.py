"""VPC endpoints that the calls of a session pass, and what their policies see.

A call from a VPC passes the gateway endpoint in the route table of its subnet, or an interface
endpoint with private DNS. Without an endpoint it leaves through a NAT gateway, if the subnet has a
route to one. Otherwise it gets no answer on AWS: here it is carried out, and noted once.

https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sageloop.local_cloud.access.caller import SessionOrigin
from sageloop.local_cloud.access.enforcement.documents import parsed
from sageloop.local_cloud.access.policy import EndpointPolicy

# Names of endpoint services that are not the prefix of the service's actions.
_ENDPOINTS = {
    "sagemaker": "sagemaker.api", "cloudwatch": "monitoring", "ecr": "ecr.api",
}  # fmt: skip
_RUNTIME = "sagemaker:invokeendpoint"
_DOCKER = ("ecr:batchcheck", "ecr:getdownload", "ecr:batchgetimage")
_ANYWHERE = "0.0.0.0/0"


@dataclass(frozen=True, slots=True)
class Path:
    """How a call leaves its VPC: the condition keys, and the policy of the endpoint it passes."""

    keys: Mapping[str, str] = field(default_factory=dict)
    endpoint: EndpointPolicy | None = None


class Networks:
    """Finds the endpoints of VPCs in EC2's state.

    Args:
        account_id: account of the cloud.
        note: called with a line for each call that would get no answer on AWS.

    """

    def __init__(self, account_id: str, note: Callable[[str], None]) -> None:
        self._account = account_id
        self._note = note

    def path(self, origin: SessionOrigin, action: str, region: str) -> Path:
        """How a call of a session leaves the VPC of the session."""
        backend = _ec2(self._account, region)
        subnets = list(_subnets(backend, origin.subnet_ids))
        if not subnets:
            return Path()  # outside of a VPC, or a call to another region
        vpc = str(subnets[0].vpc_id)
        service = _endpoint_service(action)
        tables = [_route_table(backend, subnet) for subnet in subnets]
        endpoint = _endpoint(backend, vpc, f".{region}.{service}", tables)
        if endpoint is None:
            if not any(_leaves(table) for table in tables):
                self._note(f"no endpoint for {service} in {vpc}, and no route to a NAT gateway")
            return Path()
        policy = parsed(str(endpoint.policy_document), f"policy of {endpoint.id}")
        keys = {"aws:SourceVpc": vpc, "aws:SourceVpce": str(endpoint.id)}
        return Path(keys, EndpointPolicy(policy=policy, gateway=_is_gateway(endpoint)))


def _ec2(account_id: str, region: str) -> Any:
    from moto.ec2.models import ec2_backends

    return ec2_backends[account_id][region]


def _subnets(backend: Any, subnet_ids: tuple[str, ...]) -> Iterator[Any]:
    for zone in list(backend.subnets.values()):
        yield from (zone[name] for name in subnet_ids if name in zone)


def _route_table(backend: Any, subnet: Any) -> Any:
    """The route table of a subnet: its own, or the main one of its VPC."""
    main = None
    for table in list(backend.route_tables.values()):
        if table.vpc_id == subnet.vpc_id:
            if any(one.get("SubnetId") == subnet.id for one in table.associations):
                return table
            main = table if table.main_association_id else main
    return main


def _endpoint(backend: Any, vpc: str, suffix: str, tables: list[Any]) -> Any:
    """The endpoint that a call passes; a gateway goes first, for it needs no DNS."""
    known = [
        endpoint
        for endpoint in list(backend.vpc_end_points.values())
        if endpoint.vpc_id == vpc and str(endpoint.service_name).endswith(suffix)
    ]
    routed = {table.id for table in tables if table is not None}
    gateways = (e for e in known if _is_gateway(e) and routed & set(e.route_table_ids or ()))
    interfaces = (e for e in known if not _is_gateway(e) and e.private_dns_enabled is not False)
    return next(gateways, next(interfaces, None))


def _is_gateway(endpoint: Any) -> bool:
    return str(endpoint.vpc_endpoint_type or "Gateway").lower() == "gateway"


def _leaves(table: Any) -> bool:
    """Whether a route table leads out of the VPC without a public address.

    Neither functions nor SageMaker's hosts get a public address, so an internet gateway is no way
    out for them.
    """
    routes = [] if table is None else table.routes
    return any(
        route.destination_cidr_block == _ANYWHERE
        and not str(getattr(route.gateway, "id", "")).startswith("igw-")
        for route in routes
    )


def _endpoint_service(action: str) -> str:
    lowered = action.lower()
    if lowered.startswith(_RUNTIME):
        return "sagemaker.runtime"
    if lowered.startswith(_DOCKER):
        return "ecr.dkr"
    prefix = lowered.partition(":")[0]
    return _ENDPOINTS.get(prefix, prefix)
