"""Signs single requests as botocore does, for programs that speak HTTP themselves."""

from __future__ import annotations

from collections.abc import Mapping

from sageloop.local_cloud.access.cloud_access import CloudAccess


def signed_headers(
    access: CloudAccess, *, service: str, url: str, method: str = "POST",
    headers: Mapping[str, str] | None = None, body: bytes = b"", token: str | None = None,
) -> dict[str, str]:  # fmt: skip
    """The headers with which the user of a cloud sends a request, those given included.

    ``service`` is the signing name (``sagemaker``, ``s3``, ``sts``); ``token`` belongs to the keys
    of a session. They hold for 15 minutes.
    """
    from botocore.auth import S3SigV4Auth, SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    made = AWSRequest(method, url, headers=dict(headers or {}), data=body)
    keys = Credentials(access.access_key_id, access.secret_access_key, token)
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(keys, service, access.region).add_auth(made)
    return {str(name): str(value) for name, value in made.headers.items()}
