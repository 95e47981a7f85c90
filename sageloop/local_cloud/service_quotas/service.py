"""The operations of Service Quotas that read quotas; none is ever raised."""

from __future__ import annotations

from typing import Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.naming import partition_of
from sageloop.local_cloud.core.paging import paginate
from sageloop.local_cloud.core.service import Call, Service, operation

from .defaults import Quota, quotas_of

_LARGEST = 100
_NAMES = {
    "ec2": "Amazon Elastic Compute Cloud (Amazon EC2)", "lambda": "AWS Lambda",
    "sagemaker": "Amazon SageMaker", "vpc": "Amazon Virtual Private Cloud (Amazon VPC)",
}  # fmt: skip


class ServiceQuotasService(Service):
    """Service Quotas: applied quotas are the defaults of a new account."""

    model = "service-quotas"

    @operation("ListServices")
    def list_services(self, call: Call) -> dict[str, Any]:
        """List the services whose quotas are known."""
        services = [{"ServiceCode": c, "ServiceName": n} for c, n in sorted(_NAMES.items())]
        return _page("Services", services, call)

    @operation("ListServiceQuotas")
    def list_service_quotas(self, call: Call) -> dict[str, Any]:
        """List the applied quotas of a service."""
        wanted = call.params.get("QuotaCode")
        quotas = [q for q in _quotas(call) if wanted in (None, q.code)]
        return _page("Quotas", [_rendered(quota, call) for quota in quotas], call)

    @operation("ListAWSDefaultServiceQuotas")
    def list_aws_default_service_quotas(self, call: Call) -> dict[str, Any]:
        """List the default quotas of a service."""
        return _page("Quotas", [_rendered(quota, call) for quota in _quotas(call)], call)

    @operation("GetServiceQuota")
    def get_service_quota(self, call: Call) -> dict[str, Any]:
        """Return an applied quota."""
        return {"Quota": _rendered(_one(call), call)}

    @operation("GetAWSDefaultServiceQuota")
    def get_aws_default_service_quota(self, call: Call) -> dict[str, Any]:
        """Return a default quota."""
        return {"Quota": _rendered(_one(call), call)}


def _quotas(call: Call) -> tuple[Quota, ...]:
    code = call.params["ServiceCode"]
    if code not in _NAMES:
        raise AwsError(
            "NoSuchResourceException",
            f"The local cloud knows the quotas of {', '.join(sorted(_NAMES))}, not of {code}.",
        )
    return quotas_of(code)


def _one(call: Call) -> Quota:
    code = call.params["QuotaCode"]
    for quota in _quotas(call):
        if quota.code == code:
            return quota
    raise AwsError("NoSuchResourceException", f"The quota {code} does not exist.")


def _rendered(quota: Quota, call: Call) -> dict[str, Any]:
    arn = (
        f"arn:{partition_of(call.region)}:servicequotas:{call.region}:{call.account_id}:"
        f"{quota.service}/{quota.code}"
    )
    return {
        "ServiceCode": quota.service, "ServiceName": _NAMES[quota.service], "QuotaArn": arn,
        "QuotaCode": quota.code, "QuotaName": quota.name, "Value": float(quota.value),
        "Unit": "None", "Adjustable": True, "GlobalQuota": False,
    }  # fmt: skip


def _page(member: str, items: list[dict[str, Any]], call: Call) -> dict[str, Any]:
    size = call.params.get("MaxResults")
    shown, token = paginate(
        items, call.params.get("NextToken"), _LARGEST if size is None else int(size), _refused
    )
    return {member: shown, "NextToken": token}


def _refused(token: str) -> AwsError:
    return AwsError("InvalidPaginationTokenException", f"Invalid token: {token}")
