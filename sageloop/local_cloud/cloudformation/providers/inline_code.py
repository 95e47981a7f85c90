"""Inline code of Lambda functions."""

from __future__ import annotations

import io
import zipfile

from sageloop.local_cloud.core.errors import AwsError

# AWS adds this module to inline code, so that a custom resource can respond with one call.
_CFNRESPONSE = '''\
"""Answers CloudFormation for a custom resource."""

import json
import urllib.request

SUCCESS = "SUCCESS"
FAILED = "FAILED"


def send(event, context, responseStatus, responseData, physicalResourceId=None, noEcho=False,
         reason=None):
    """Put the outcome where CloudFormation waits for it."""
    body = json.dumps({
        "Status": responseStatus,
        "Reason": reason or f"See the log stream {context.log_stream_name}",
        "PhysicalResourceId": physicalResourceId or context.log_stream_name,
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "NoEcho": noEcho,
        "Data": responseData,
    }).encode()
    request = urllib.request.Request(event["ResponseURL"], data=body, method="PUT",
                                     headers={"content-type": ""})
    with urllib.request.urlopen(request) as answer:
        answer.read()
'''
_FIXED = (2000, 1, 1, 0, 0, 0)


def zip_of_inline_code(text: str, runtime: str) -> bytes:
    """The archive that Lambda creates from inline text; equal text gives equal bytes.

    Raises:
        AwsError: ``InvalidParameterValueException`` for a runtime without inline code.

    """
    if runtime.startswith("python"):
        members = {"index.py": text, "cfnresponse.py": _CFNRESPONSE}
    elif runtime.startswith("nodejs"):
        members = {"index.js": text}
    else:
        raise AwsError(
            "InvalidParameterValueException",
            f"ZipFile can only be used with nodejs and python runtimes, got {runtime!r}",
        )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(zipfile.ZipInfo(name, _FIXED), content)
    return archive.getvalue()
