"""S3's documents: conversion from the template's form to the API's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sageloop.local_cloud.cloudformation.scalars import is_true

Form = dict[str, Any]


def _renamed(value: Mapping[str, Any], **names: str) -> Form:
    return {names.get(key, key): inner for key, inner in value.items()}


def encryption(value: Mapping[str, Any]) -> Form:
    """``BucketEncryption``."""
    rules = value["ServerSideEncryptionConfiguration"]
    default = "ApplyServerSideEncryptionByDefault"
    return {"Rules": [_renamed(rule, ServerSideEncryptionByDefault=default) for rule in rules]}


def cors(value: Mapping[str, Any]) -> Form:
    """``CorsConfiguration``."""
    rules = [_renamed(r, MaxAge="MaxAgeSeconds", ExposedHeaders="ExposeHeaders", Id="ID")
             for r in value["CorsRules"]]  # fmt: skip
    return {"CORSRules": rules}


def logging(value: Mapping[str, Any]) -> Form:
    """``LoggingConfiguration``; the API requires a prefix, if only an empty one."""
    return {
        "LoggingEnabled": {
            "TargetPrefix": "",
            **_renamed(value, DestinationBucketName="TargetBucket", LogFilePrefix="TargetPrefix"),
        }
    }


def object_lock(value: Mapping[str, Any]) -> Form:
    """``ObjectLockConfiguration``."""
    return dict(value)


def website(value: Mapping[str, Any]) -> Form:
    """``WebsiteConfiguration``."""
    form = dict(value)
    if "IndexDocument" in form:
        form["IndexDocument"] = {"Suffix": form["IndexDocument"]}
    if "ErrorDocument" in form:
        form["ErrorDocument"] = {"Key": form["ErrorDocument"]}
    if "RoutingRules" in form:
        form["RoutingRules"] = [
            _renamed(rule, RoutingRuleCondition="Condition", RedirectRule="Redirect")
            for rule in form["RoutingRules"]
        ]
    return form


def replication(value: Mapping[str, Any]) -> Form:
    """``ReplicationConfiguration``."""
    return {**value, "Rules": [_renamed(rule, Id="ID") for rule in value["Rules"]]}


def notification(value: Mapping[str, Any]) -> Form:
    """``NotificationConfiguration``."""
    form: Form = {}
    for listed, made, target, arn in (
        ("LambdaConfigurations", "LambdaFunctionConfigurations", "Function", "LambdaFunctionArn"),
        ("QueueConfigurations", "QueueConfigurations", "Queue", "QueueArn"),
        ("TopicConfigurations", "TopicConfigurations", "Topic", "TopicArn"),
    ):
        if listed in value:
            form[made] = [_notified(entry, target, arn) for entry in value[listed]]
    bus = value.get("EventBridgeConfiguration")
    if bus is not None and is_true(bus.get("EventBridgeEnabled", True)):
        form["EventBridgeConfiguration"] = {}
    known = {"LambdaConfigurations", "QueueConfigurations", "TopicConfigurations",
             "EventBridgeConfiguration"}  # fmt: skip
    return {**form, **{k: v for k, v in value.items() if k not in known}}


def _notified(entry: Mapping[str, Any], target: str, arn: str) -> Form:
    form = _renamed(entry, **{target: arn})
    form["Events"] = [form.pop("Event")]
    if "Filter" in form:
        form["Filter"] = {"Key": {"FilterRules": form["Filter"]["S3Key"]["Rules"]}}
    return form


def lifecycle(value: Mapping[str, Any]) -> Form:
    """``LifecycleConfiguration``."""
    return {**value, "Rules": [_lifecycle_rule(rule) for rule in value["Rules"]]}


_IN_RULE = frozenset(
    ("ExpirationInDays", "ExpirationDate", "ExpiredObjectDeleteMarker", "Prefix", "TagFilters",
     "ObjectSizeGreaterThan", "ObjectSizeLessThan", "Transition", "Transitions",
     "NoncurrentVersionTransition", "NoncurrentVersionTransitions",
     "NoncurrentVersionExpirationInDays")
)  # fmt: skip


def _lifecycle_rule(rule: Mapping[str, Any]) -> Form:
    form: Form = {k: v for k, v in rule.items() if k not in _IN_RULE}
    form["Filter"] = _filter(rule)
    expiration = _renamed(
        {k: rule[k] for k in ("ExpirationInDays", "ExpirationDate", "ExpiredObjectDeleteMarker")
         if k in rule},
        ExpirationInDays="Days", ExpirationDate="Date",
    )  # fmt: skip
    if expiration:
        form["Expiration"] = expiration
    if "NoncurrentVersionExpirationInDays" in rule:
        form["NoncurrentVersionExpiration"] = {
            "NoncurrentDays": rule["NoncurrentVersionExpirationInDays"]
        }
    current = _one_or_more(rule, "Transition")
    if current:
        form["Transitions"] = [
            _renamed(t, TransitionInDays="Days", TransitionDate="Date") for t in current
        ]
    noncurrent = _one_or_more(rule, "NoncurrentVersionTransition")
    if noncurrent:
        form["NoncurrentVersionTransitions"] = [
            _renamed(t, TransitionInDays="NoncurrentDays") for t in noncurrent
        ]
    return form


def _one_or_more(rule: Mapping[str, Any], name: str) -> list[Any]:
    return [*([rule[name]] if name in rule else ()), *rule.get(f"{name}s", ())]


def _filter(rule: Mapping[str, Any]) -> Form:
    parts: Form = {
        k: rule[k] for k in ("Prefix", "ObjectSizeGreaterThan", "ObjectSizeLessThan") if k in rule
    }
    tags = list(rule.get("TagFilters", ()))
    if len(parts) + len(tags) > 1:
        return {"And": {**parts, **({"Tags": tags} if tags else {})}}
    if tags:
        return {"Tag": tags[0]}
    return parts or {"Prefix": ""}
