"""Needs compared with the quotas of an account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .needs import Need

_CONSOLE = "https://{region}.console.aws.amazon.com/servicequotas/home/services/{service}/quotas"


@dataclass(frozen=True, kw_only=True)
class Quota:
    """A quota of the account.

    Attributes:
        code: Code of the quota.
        value: Its value.
        adjustable: Whether an increase can be requested.

    """

    code: str
    value: float
    adjustable: bool


@dataclass(frozen=True, kw_only=True)
class Row:
    """One quota with what the stacks need of it.

    Attributes:
        service: Service code.
        quota: Name of the quota.
        needs: What the stacks need, in total.
        has: What the account has; ``None`` if it reports no such quota.
        short: What is missing.
        code: Code of the quota, if an increase can be requested.
        resources: Stacks and logical ids that need it.
        request: The command that requests an increase, or the address in the console; empty if
            nothing is missing.

    """

    service: str
    quota: str
    needs: int
    has: float | None
    short: float
    code: str
    resources: tuple[str, ...]
    request: str = ""


def quotas_of(client: Any, service: str) -> dict[str, Quota]:
    """The applied quotas of a service by name, from a Service Quotas client."""
    pages = client.get_paginator("list_service_quotas").paginate(ServiceCode=service)
    return {
        item["QuotaName"]: Quota(
            code=item["QuotaCode"], value=item["Value"], adjustable=item["Adjustable"]
        )
        for page in pages for item in page["Quotas"]
    }  # fmt: skip


def compare(
    needs: Iterable[Need], quotas: Mapping[str, Mapping[str, Quota]], *, region: str,
    codes_are_known: bool = True,
) -> list[Row]:  # fmt: skip
    """A row for each quota that is needed, those that are short first.

    Args:
        needs: What the stacks need.
        quotas: Quotas by service and name.
        region: Region of the account.
        codes_are_known: Whether codes of quotas are AWS's, for the command of a request.

    """
    totals: dict[tuple[str, str], list[Need]] = {}
    for need in needs:
        totals.setdefault((need.service, need.quota), []).append(need)
    rows = [
        _row(service, name, each, quotas.get(service, {}).get(name))
        for (service, name), each in totals.items()
    ]
    rows = [replace(row, request=_request(row, region, known=codes_are_known)) for row in rows]
    return sorted(
        rows, key=lambda row: (not row.short, row.has is not None, row.service, row.quota)
    )


def _row(service: str, name: str, needs: list[Need], quota: Quota | None) -> Row:
    total = sum(need.amount for need in needs)
    has = None if quota is None else quota.value
    return Row(
        service=service, quota=name, needs=total, has=has,
        # A quota that the account does not report cannot be compared: it is not short.
        short=0.0 if has is None else max(0.0, total - has),
        code="" if quota is None or not quota.adjustable else quota.code,
        resources=tuple(need.resource for need in needs),
    )  # fmt: skip


def _request(row: Row, region: str, *, known: bool) -> str:
    if not row.short:
        return ""
    if not row.code or not known:
        return _CONSOLE.format(region=region, service=row.service)
    return (
        f"aws service-quotas request-service-quota-increase --service-code {row.service} "
        f"--quota-code {row.code} --desired-value {row.needs} --region {region}"
    )
