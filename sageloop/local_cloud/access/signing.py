"""Signs single requests with botocore, for programs that send HTTP themselves."""

from __future__ import annotations

from collections.abc import Mapping

from sageloop.local_cloud.access.cloud_access import CloudAccess


def signed_headers(
    access: CloudAccess, *, service: str, url: str, method: str = "POST",
    headers: Mapping[str, str] | None = None, body: bytes = b"", token: str | None = None,
) -> dict[str, str]:  # fmt: skip
    """Headers, including ``headers``, that sign a request as the user of a cloud.

    ``service`` is the signing name (``sagemaker``, ``s3``, ``sts``); ``token`` is the token of a
    session's keys. The signature is valid for 15 minutes.
    """
    from botocore.auth import S3SigV4Auth, SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    made = AWSRequest(method, url, headers=dict(headers or {}), data=body)
    keys = Credentials(access.access_key_id, access.secret_access_key, token)
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(keys, service, access.region).add_auth(made)
    return {str(name): str(value) for name, value in made.headers.items()}
