"""Policy documents that services accept or refuse, and their error messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sageloop.local_cloud.access.policy.validation import KINDS, PolicyFor, Problem, validate

BUCKET = "arn:aws:s3:::data"
ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/R"

IDENTITY = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{BUCKET}/*"}
TRUST = {"Effect": "Allow", "Action": "sts:AssumeRole",
         "Principal": {"Service": "sagemaker.amazonaws.com"}}  # fmt: skip
ON_BUCKET = IDENTITY | {"Principal": {"AWS": ROLE}}
ON_KEY = {"Effect": "Allow", "Action": "kms:*", "Resource": "*",
          "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}  # fmt: skip
ON_TOPIC = ON_KEY | {"Action": "sns:Publish"}
ON_QUEUE = ON_KEY | {"Action": "sqs:SendMessage"}
ON_REPOSITORY = {"Effect": "Allow", "Action": "ecr:BatchGetImage", "Principal": "*"}

GOOD = {
    PolicyFor.USER: IDENTITY, PolicyFor.GROUP: IDENTITY, PolicyFor.ROLE: IDENTITY,
    PolicyFor.MANAGED: IDENTITY, PolicyFor.SESSION: IDENTITY, PolicyFor.TRUST: TRUST,
    PolicyFor.BUCKET: ON_BUCKET, PolicyFor.KEY: ON_KEY, PolicyFor.TOPIC: ON_TOPIC,
    PolicyFor.QUEUE: ON_QUEUE, PolicyFor.REPOSITORY: ON_REPOSITORY,
    PolicyFor.SECRET: ON_KEY | {"Action": "secretsmanager:GetSecretValue"},
    PolicyFor.ENDPOINT: ON_KEY | {"Action": "*", "Principal": "*"},
    PolicyFor.EVENT_BUS: ON_KEY | {"Action": "events:PutEvents"},
    PolicyFor.MODEL_PACKAGE_GROUP: ON_KEY | {"Action": "sagemaker:DescribeModelPackageGroup"},
}  # fmt: skip


def document(*statements: Any, **top: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)} | top


def refused(attached_to: PolicyFor, *statements: Any, **more: Any) -> tuple[str, str]:
    problem = validate(document(*statements), attached_to, **more)[0]
    return problem.code, problem.message


@pytest.mark.parametrize("attached_to", PolicyFor)
def test_good_policy_is_accepted(attached_to: PolicyFor) -> None:
    assert validate(document(GOOD[attached_to]), attached_to) == []


@pytest.mark.parametrize("attached_to", PolicyFor)
def test_single_statement_is_accepted_without_a_list(attached_to: PolicyFor) -> None:
    assert validate(document() | {"Statement": GOOD[attached_to]}, attached_to) == []


@pytest.mark.parametrize("attached_to", PolicyFor)
def test_text_that_is_no_json_is_refused(attached_to: PolicyFor) -> None:
    problem = validate('{"Statement": [', attached_to)[0]
    assert (problem.code, problem.finding.problem) == (KINDS[attached_to].code, Problem.NOT_JSON)


@pytest.mark.parametrize("attached_to", PolicyFor)
def test_policy_at_its_limit_is_accepted_and_one_byte_more_refused(attached_to: PolicyFor) -> None:
    kind = KINDS[attached_to]

    def sized(size: int) -> str:
        short = json.dumps(document(GOOD[attached_to] | {"Sid": "x"}), separators=(",", ":"))
        filler = "x" * (size - len(short) + 1)
        return json.dumps(
            document(GOOD[attached_to] | {"Sid": filler}), separators=(",", ":")
        )  # fmt: skip

    assert len(sized(kind.limit)) == kind.limit
    assert validate(sized(kind.limit), attached_to) == []
    problem = validate(sized(kind.limit + 1), attached_to)[0]
    assert problem.finding.problem is Problem.TOO_LARGE


@pytest.mark.parametrize(("attached_to", "counts"), [(PolicyFor.ROLE, False),
                                                     (PolicyFor.BUCKET, True)])  # fmt: skip
def test_white_space_counts_where_the_service_counts_it(
    attached_to: PolicyFor, counts: bool
) -> None:
    text = json.dumps(document(GOOD[attached_to])) + " " * 30_000
    assert bool(validate(text, attached_to)) is counts


@pytest.mark.parametrize(
    ("attached_to", "error"),
    [
        (PolicyFor.USER,
         ("LimitExceeded", "Maximum policy size of 2048 bytes exceeded for user U")),
        (PolicyFor.GROUP,
         ("LimitExceeded", "Maximum policy size of 5120 bytes exceeded for group U")),
        (PolicyFor.ROLE,
         ("LimitExceeded", "Maximum policy size of 10240 bytes exceeded for role U")),
        (PolicyFor.MANAGED, ("LimitExceeded", "Cannot exceed quota for PolicySize: 6144")),
        (PolicyFor.TRUST, ("LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048")),
        (PolicyFor.BUCKET,
         ("MalformedPolicy", "Policy exceeds the maximum allowed document size.")),
        (PolicyFor.SESSION, ("PackedPolicyTooLarge",
                             "Packed policy consumes more than 100% of allotted space")),
    ],
)  # fmt: skip
def test_large_policy_is_refused_with_the_message_of_the_service(
    attached_to: PolicyFor, error: tuple[str, str]
) -> None:
    long = GOOD[attached_to] | {"Sid": "x" * 40_000}
    assert refused(attached_to, long, name="U") == error


IAM = "MalformedPolicyDocument"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Principal": "*"}, "Policy document should not specify a principal."),
        ({"NotPrincipal": "*"}, "Policy document should not specify a principal."),
        ({"Action": None}, "Policy statement must contain actions."),
        ({"Resource": None}, "Policy statement must contain resources."),
        ({"Resource": "data"}, 'Resource data must be in ARN format or "*".'),
        ({"Resource": "arn:aws:s3"}, 'Resource arn:aws:s3 must be in ARN format or "*".'),
        ({"Action": "GetObject"},
         "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."),
        ({"Action": "s3:Get:Object"}, "Actions/Condition can contain only one colon."),
        ({"Action": "a.s:Get"}, "Vendor a.s is not valid"),
        ({"Sid": "a b"}, "Statement IDs (SID) must be alpha-numeric. Check that your input "
                         "satisfies the regular expression [0-9A-Za-z]*"),
        ({"Effect": "allow"}, "Syntax errors in policy."),
        ({"Effect": None}, "Syntax errors in policy."),
        ({"Condition": {"StringMatches": {"a:b": "c"}}}, "Syntax errors in policy."),
        ({"Condition": []}, "Syntax errors in policy."),
        ({"Actions": "s3:*"}, "Syntax errors in policy."),
        ({"NotAction": "s3:*"}, "Syntax errors in policy."),
        ({"Action": {"a": "b"}}, "Syntax errors in policy."),
    ],
)  # fmt: skip
def test_iam_refuses_a_statement(change: dict[str, Any], message: str) -> None:
    statement = {k: v for k, v in (IDENTITY | change).items() if v is not None}
    assert refused(PolicyFor.ROLE, statement) == (IAM, message)


@pytest.mark.parametrize("action", ["s3:NoSuchAction", "nosuchservice:Get", "*", "s3:*"])
def test_iam_takes_actions_that_do_not_exist(action: str) -> None:
    assert validate(document(IDENTITY | {"Action": action}), PolicyFor.ROLE) == []


def test_iam_takes_condition_keys_that_do_not_exist() -> None:
    condition = {"Condition": {"StringEquals": {"s3:nothing": "x", "aws:Nothing": "y"}}}
    assert validate(document(IDENTITY | condition), PolicyFor.ROLE) == []


def test_iam_refuses_ids_of_policies_and_repeated_sids() -> None:
    assert validate(document(IDENTITY, Id="x"), PolicyFor.ROLE)[0].code == IAM
    twice = IDENTITY | {"Sid": "A"}
    assert refused(PolicyFor.ROLE, twice, twice) == (
        IAM, "Statement IDs (SID) in a single policy must be unique.",
    )  # fmt: skip


def test_unknown_version_is_refused() -> None:
    problem = validate(document(IDENTITY, Version="2012-10-18"), PolicyFor.ROLE)[0]
    assert problem.message == "Policy document must be version 2012-10-17 or greater."


@pytest.mark.parametrize("attached_to", [PolicyFor.ROLE, PolicyFor.BUCKET, PolicyFor.KEY])
def test_policy_without_statements_is_refused(attached_to: PolicyFor) -> None:
    assert refused(attached_to)[0] == KINDS[attached_to].code


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Resource": "*"}, "Has prohibited field Resource"),
        ({"Principal": None}, "Missing required field Principal"),
        ({"Action": "s3:GetObject"}, "AssumeRole policy may only specify STS AssumeRole actions."),
        ({"Action": "sts:GetCallerIdentity"},
         "AssumeRole policy may only specify STS AssumeRole actions."),
        ({"Action": "*"}, "AssumeRole policy may only specify STS AssumeRole actions."),
        ({"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/*"}},
         f'Invalid principal in policy: "AWS":"arn:aws:iam::{ACCOUNT}:role/*"'),
        ({"Principal": {"AWS": "Ana"}}, 'Invalid principal in policy: "AWS":"Ana"'),
        ({"Principal": {"Service": "sagemaker"}},
         'Invalid principal in policy: "Service":"sagemaker"'),
        ({"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:group/G"}},
         f'Invalid principal in policy: "AWS":"arn:aws:iam::{ACCOUNT}:group/G"'),
    ],
)  # fmt: skip
def test_trust_policy_is_refused(change: dict[str, Any], message: str) -> None:
    statement = {k: v for k, v in (TRUST | change).items() if v is not None}
    assert refused(PolicyFor.TRUST, statement) == (IAM, message)


@pytest.mark.parametrize("action", ["sts:AssumeRole", "sts:AssumeRole*", "sts:TagSession",
                                    ["sts:AssumeRole", "sts:SetSourceIdentity"]])  # fmt: skip
def test_trust_policy_may_name_the_actions_of_assuming(action: Any) -> None:
    assert validate(document(TRUST | {"Action": action}), PolicyFor.TRUST) == []


@pytest.mark.parametrize("attached_to", [PolicyFor.TRUST, PolicyFor.BUCKET, PolicyFor.KEY])
def test_principal_that_does_not_exist_is_refused(attached_to: PolicyFor) -> None:
    statement = GOOD[attached_to] | {"Principal": {"AWS": [ROLE, "AROAEXAMPLEEXAMPLE12"]}}
    known = {ROLE, "AROAEXAMPLEEXAMPLE12"}
    assert validate(document(statement), attached_to, principal_exists=known.__contains__) == []
    for missing in known:
        left = (known - {missing}).__contains__
        problem = validate(document(statement), attached_to, principal_exists=left)[0]
        assert problem.finding.problem is Problem.PRINCIPAL_INVALID


@pytest.mark.parametrize("name", [ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", "*",
                                  f"arn:aws:sts::{ACCOUNT}:assumed-role/R/s"])  # fmt: skip
def test_existence_of_accounts_and_sessions_is_not_checked(name: str) -> None:
    statement = ON_BUCKET | {"Principal": {"AWS": name}}
    missing_principal = frozenset[str]().__contains__
    assert validate(document(statement), PolicyFor.BUCKET, principal_exists=missing_principal) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Principal": None}, "Missing required field Principal"),
        ({"Resource": None}, "Missing required field Resource"),
        ({"Effect": "allow"}, "Invalid effect: allow"),
        ({"Actions": "x"}, "Unknown field Actions"),
        ({"Action": "s3:NoSuchAction"}, "Policy has invalid action"),
        ({"Action": "sqs:SendMessage"}, "Policy has invalid action"),
        ({"Action": "GetObject"}, "Policy has invalid action"),
        ({"Action": "s3:ListBucket"}, "Action does not apply to any resource(s) in statement"),
        ({"Resource": BUCKET}, "Action does not apply to any resource(s) in statement"),
        ({"Resource": "data/*"}, "Policy has invalid resource"),
        ({"Resource": "arn:aws:s3:::other/*"}, "Policy has invalid resource"),
        ({"Principal": {"AWS": "Ana"}}, "Invalid principal in policy"),
        ({"Principal": "Ana"}, "Invalid principal in policy"),
        ({"Condition": {"StringMatches": {"s3:prefix": "x"}}},
         "Invalid Condition type : StringMatches"),
        ({"Condition": {"StringEquals": {"s3:nothing": "x"}}},
         "Policy has an invalid condition key"),
        ({"Condition": {"StringEquals": {"prefix": "x"}}}, "Policy has an invalid condition key"),
        ({"Condition": {"StringEquals": {"s3:prefix": "x"}}},
         "Conditions do not apply to combination of actions and resources in statement"),
    ],
)  # fmt: skip
def test_bucket_policy_is_refused(change: dict[str, Any], message: str) -> None:
    statement = {k: v for k, v in (ON_BUCKET | change).items() if v is not None}
    result = refused(PolicyFor.BUCKET, statement, resource=BUCKET)
    assert result == ("MalformedPolicy", message)


@pytest.mark.parametrize(
    "change",
    [
        {"Action": "s3:*", "Resource": [BUCKET, f"{BUCKET}/*"]},
        {"Action": ["s3:ListBucket", "s3:GetObject"], "Resource": [BUCKET, f"{BUCKET}/*"]},
        {"Action": "s3:*", "Resource": "arn:aws:s3:::*"},
        {"Principal": {"CanonicalUser": "79a5"}},
        {"Principal": "*", "Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": False}}},
        {"Condition": {"NumericLessThan": {"s3:TlsVersion": 1.2}}},
        {"Action": "s3:PutObject",
         "Condition": {"Null": {"s3:x-amz-server-side-encryption-aws-kms-key-id": "false"}}},
        {"Condition": {"StringEquals": {"s3:ExistingObjectTag/team": "x"}}},
        {"Sid": "with blanks"},
    ],
)  # fmt: skip
def test_bucket_policy_is_accepted(change: dict[str, Any]) -> None:
    result = validate(document(ON_BUCKET | change, Id="x"), PolicyFor.BUCKET, resource=BUCKET)
    assert result == []


def test_key_policy_is_refused_for_its_principals() -> None:
    statement = ON_KEY | {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/*"}}
    assert refused(PolicyFor.KEY, statement) == (
        "MalformedPolicyDocumentException",
        "Policy contains a statement with one or more invalid principals.",
    )


@pytest.mark.parametrize("action", ["sqs:SendMessage", "sns:CreateTopic", "sns:*", "*",
                                    "sns:GetSubscriptionAttributes"])  # fmt: skip
def test_topic_policy_allows_actions_on_topics_only(action: str) -> None:
    assert refused(PolicyFor.TOPIC, ON_TOPIC | {"Action": action}) == (
        "InvalidParameter", "Invalid parameter: Policy statement action out of service scope!",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        (ON_QUEUE | {"Action": "sqs:NoSuchAction"},
         ("InvalidAttributeValue", "Invalid value for the parameter Policy.")),
        (ON_QUEUE | {"Action": ["sqs:SendMessage"] * 8},
         ("OverLimit",
          "8 actions were found in a statement from the submitted policy, max allowed is 7")),
    ],
)  # fmt: skip
def test_queue_policy_is_refused(statement: dict[str, Any], error: tuple[str, str]) -> None:
    assert refused(PolicyFor.QUEUE, statement) == error


def test_queue_policy_has_at_most_twenty_statements() -> None:
    assert validate(document(*[ON_QUEUE] * 20), PolicyFor.QUEUE) == []
    assert refused(PolicyFor.QUEUE, *[ON_QUEUE] * 21)[0] == "OverLimit"


def test_repository_policy_has_no_resource() -> None:
    assert refused(PolicyFor.REPOSITORY, ON_REPOSITORY | {"Resource": "*"})[0] == (
        "InvalidParameterException"
    )


def test_every_problem_is_reported_with_its_place() -> None:
    problems = validate(
        document(IDENTITY, IDENTITY | {"Action": "x", "Resource": "y"}), PolicyFor.ROLE
    )
    assert [p.finding.where for p in problems] == ["Statement[1].Action", "Statement[1].Resource"]
