"""The experiments of ``make integ``, the riskiest first."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from constructs_lib.training.facts import images
from sageloop.waiting import until
from scripts.integ_experiments import (
    Bench,
    Experiment,
    Finding,
    Result,
    allow,
    is_denial,
)

_XGBOOST = "3.0-5"
_MINUTES = 60.0
_ROWS = "".join(f"{3 * number},{number}\n" for number in range(50))
_SAGEMAKER = {"Service": "sagemaker.amazonaws.com"}
_ENDED = frozenset(("Completed", "Failed", "Stopped"))


def volume_grants(bench: Bench, *, denied: str = "false") -> Finding:
    """A job with a volume key whose policy denies grants by ``kms:GrantIsForAWSResource``.

    Args:
        bench: Where it runs.
        denied: The value of the condition key for which grants are denied.

    """
    key = bench.key({
        "Effect": "Deny", "Principal": "*", "Action": "kms:CreateGrant", "Resource": "*",
        "Condition": {"BoolIfExists": {"kms:GrantIsForAWSResource": denied}},
    })  # fmt: skip
    bucket = bench.bucket()
    bench.client("s3").put_object(Bucket=bucket, Key="train/rows.csv", Body=_ROWS.encode())
    role = _job_role(bench, bucket, key)
    started = bench.settled("the training job", partial(_train, bench, bucket, role, key))
    if isinstance(started, ClientError):
        return Finding(result=Result.REFUTED, observed=str(started))
    status = _end_of_job(bench)
    reason = status.get("FailureReason", "")
    if status["TrainingJobStatus"] == "Completed":
        return Finding(result=Result.CONFIRMED, observed="the job completed")
    refused = any(word in reason for word in ("AccessDenied", "not authorized", "KMS", "grant"))
    result = Result.REFUTED if refused else Result.NOT_RUN
    return Finding(result=result, observed=f"{status['TrainingJobStatus']}: {reason}")


def _job_role(bench: Bench, bucket: str, key: str) -> str:
    for_resource = {"kms:GrantIsForAWSResource": "true"}
    groups = bench.arn("logs", "log-group:/aws/sagemaker/*")
    return bench.role(
        "job", _SAGEMAKER,
        allow("kms:CreateGrant", key, Bool=for_resource),
        allow(["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"], key),
        allow(["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
              f"arn:{bench.partition}:s3:::{bucket}/*"),
        allow("s3:ListBucket", f"arn:{bench.partition}:s3:::{bucket}"),
        allow(["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams",
               "logs:PutLogEvents"], [groups, f"{groups}:log-stream:*"]),
        allow("cloudwatch:PutMetricData", "*"),
        allow(["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage",
               "ecr:GetDownloadUrlForLayer"], _repository(bench)),
        allow("ecr:GetAuthorizationToken", "*"),
    )  # fmt: skip


def _train(bench: Bench, bucket: str, role: str, key: str) -> Any:
    sagemaker, name = bench.client("sagemaker"), bench.name("job")
    made = sagemaker.create_training_job(
        TrainingJobName=name, RoleArn=role,
        AlgorithmSpecification={"TrainingImage": _image(bench), "TrainingInputMode": "File"},
        HyperParameters={"num_round": "2", "objective": "reg:squarederror"},
        InputDataConfig=[{
            "ChannelName": "train", "ContentType": "text/csv",
            "DataSource": {"S3DataSource": {
                "S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/train/",
                "S3DataDistributionType": "FullyReplicated",
            }},
        }],
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}/models"},
        ResourceConfig={
            "InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1,
            "VolumeKmsKeyId": key,
        },
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )  # fmt: skip
    bench.delete_later(f"training job {name}", _stop_job, sagemaker=sagemaker, name=name)
    return made


def _stop_job(sagemaker: Any, name: str) -> None:
    """Stop a job that still runs, and wait for its end: it uses the bucket and the role."""
    describe = partial(sagemaker.describe_training_job, TrainingJobName=name)
    if describe()["TrainingJobStatus"] == "InProgress":
        sagemaker.stop_training_job(TrainingJobName=name)
    until("the end", lambda: describe()["TrainingJobStatus"] in _ENDED, seconds=10 * _MINUTES)


def _end_of_job(bench: Bench) -> dict[str, Any]:
    describe = partial(
        bench.client("sagemaker").describe_training_job, TrainingJobName=bench.name("job")
    )

    def ended() -> dict[str, Any] | None:
        described: dict[str, Any] = describe()
        return described if described["TrainingJobStatus"] in _ENDED else None

    return until("the end of the training job", ended, seconds=20 * _MINUTES)


def _capitals(bench: Bench) -> Finding:
    """A role that may describe notebook instances whose names begin with a capital."""
    names = bench.arn("sagemaker", "notebook-instance/Capital*")
    sagemaker = bench.caller("capitals", allow("sagemaker:DescribeNotebookInstance", names))(
        "sagemaker"
    )
    control = _described(bench, sagemaker, f"Other-{bench.suffix}", settled=False)
    if not is_denial(control):
        return Finding(result=Result.NOT_RUN, observed=f"another name is not denied: {control}")
    answer = _described(bench, sagemaker, f"Capital-{bench.suffix}", settled=True)
    # The instance does not exist: who may describe it learns that.
    result = Result.REFUTED if is_denial(answer) else Result.CONFIRMED
    return Finding(result=result, observed=str(answer))


def _described(bench: Bench, sagemaker: Any, name: str, *, settled: bool) -> Any:
    def call() -> Any:
        try:
            return sagemaker.describe_notebook_instance(NotebookInstanceName=name)
        except ClientError as error:
            if settled and is_denial(error):
                raise
            return error

    return bench.settled(f"the description of {name}", call)


def _via_service(bench: Bench) -> Finding:
    """A role that may use a key through S3 of the region only."""
    bucket, key = bench.bucket(), bench.key()
    service = f"s3.{bench.account.region}.amazonaws.com"
    role = bench.caller(
        "via",
        allow("s3:PutObject", f"arn:{bench.partition}:s3:::{bucket}/*"),
        allow("kms:GenerateDataKey", key, StringEquals={"kms:ViaService": service}),
    )
    put = partial(role("s3").put_object, Bucket=bucket, Key="a", Body=b"a",
                  ServerSideEncryption="aws:kms", SSEKMSKeyId=key)  # fmt: skip
    answer = bench.settled("the upload", put)
    if isinstance(answer, ClientError):
        return Finding(result=Result.REFUTED, observed=f"through {service}: {answer}")
    direct = _error(partial(role("kms").generate_data_key, KeyId=key, KeySpec="AES_256"))
    if not is_denial(direct):
        return Finding(result=Result.NOT_RUN, observed=f"a direct call is not denied: {direct}")
    return Finding(result=Result.CONFIRMED, observed=f"allowed through {service} only")


def _key_id_header(bench: Bench) -> Finding:
    """A role that may upload with the header of a key's ARN, and names the key by its id."""
    bucket, key = bench.bucket(), bench.key()
    header = {"s3:x-amz-server-side-encryption-aws-kms-key-id": key}
    role = bench.caller(
        "header",
        allow("s3:PutObject", f"arn:{bench.partition}:s3:::{bucket}/*", StringEquals=header),
        allow("kms:GenerateDataKey", key),
    )
    put = partial(
        role("s3").put_object, Bucket=bucket, Key="a", Body=b"a", ServerSideEncryption="aws:kms"
    )
    by_arn = bench.settled("the upload", partial(put, SSEKMSKeyId=key))
    if isinstance(by_arn, ClientError):
        return Finding(result=Result.NOT_RUN, observed=f"with the ARN: {by_arn}")
    by_id = _error(partial(put, SSEKMSKeyId=key.rpartition("/")[2]))
    result = Result.CONFIRMED if is_denial(by_id) else Result.REFUTED
    return Finding(result=result, observed=f"with the id: {by_id or 'allowed'}")


def _list_packages(bench: Bench) -> Finding:
    """Roles that may list the packages of a group: by the group's ARN, or by that of packages."""
    group = bench.name("group")
    sagemaker = bench.client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName=group)
    bench.delete_later(
        f"model package group {group}", sagemaker.delete_model_package_group,
        ModelPackageGroupName=group,
    )  # fmt: skip
    allowed = {}
    for kind, resource in (("model-package-group", group), ("model-package", f"{group}/*")):
        statement = allow(
            "sagemaker:ListModelPackages", bench.arn("sagemaker", f"{kind}/{resource}")
        )
        client = bench.caller(kind, statement)("sagemaker")
        call = partial(client.list_model_packages, ModelPackageGroupName=group)
        allowed[kind] = not isinstance(bench.settled("the list", call), ClientError)
    by = ", ".join(kind for kind, value in allowed.items() if value) or "neither"
    # The policies of the library have both ARNs: one must be enough.
    result = Result.CONFIRMED if any(allowed.values()) else Result.REFUTED
    return Finding(result=result, observed=f"allowed by the ARN of: {by}")


def _error(call: Callable[[], Any]) -> ClientError | None:
    try:
        call()
    except ClientError as error:
        return error
    return None


def _account_of_image(bench: Bench) -> str:
    release = images()["images"]["xgboost"]["versions"][_XGBOOST]
    return str(images()["registries"][release["registry"]][bench.account.region])


def _repository(bench: Bench) -> str:
    account = _account_of_image(bench)
    region = bench.account.region
    return f"arn:{bench.partition}:ecr:{region}:{account}:repository/sagemaker-xgboost"


def _image(bench: Bench) -> str:
    suffix = ".cn" if bench.partition == "aws-cn" else ""
    host = f"{_account_of_image(bench)}.dkr.ecr.{bench.account.region}.amazonaws.com{suffix}"
    return f"{host}/sagemaker-xgboost:{_XGBOOST}"


_KEY_COST = "a key for an hour (below 0.01 USD; keys pending deletion are free) and a few requests"

EXPERIMENTS = (
    Experiment(
        name="volume-grants", run=volume_grants,
        statement="kms:GrantIsForAWSResource is true for the grants that SageMaker creates for "
        "the volumes of a job",
        limit="KMS grants that SageMaker creates for volumes",
        calls="kms CreateKey; s3 CreateBucket, PutObject; iam CreateRole, PutRolePolicy; sagemaker "
        "CreateTrainingJob (ml.m5.large), DescribeTrainingJob until it ends",
        cost="about 0.02 USD: five minutes of ml.m5.large (0.115 USD an hour), and " + _KEY_COST,
        tear_down="job (stopped), role, bucket; the key is scheduled for deletion in 7 days; the "
        "job's record and its log stream remain",
    ),
    Experiment(
        name="capital-names", run=_capitals,
        statement="SageMaker authorizes names with capitals as they are",
        limit="whether names with capitals, such as the generated name of a notebook instance",
        calls="iam CreateRole, PutRolePolicy; sts AssumeRole; sagemaker DescribeNotebookInstance "
        "of two names that do not exist",
        cost="nothing", tear_down="role",
    ),
    Experiment(
        name="list-packages", run=_list_packages,
        statement="sagemaker:ListModelPackages is allowed by the ARN of the group or of packages",
        limit="whether `sagemaker:ListModelPackages` is authorised on the group or on its packages",
        calls="sagemaker CreateModelPackageGroup; iam CreateRole, PutRolePolicy; sts AssumeRole; "
        "sagemaker ListModelPackages by each of two roles",
        cost="nothing", tear_down="roles, model package group",
    ),
    Experiment(
        name="via-service", run=_via_service,
        statement="kms:ViaService is s3.REGION.amazonaws.com, in China too",
        limit="the regions of China: the value of `kms:ViaService`",
        calls="kms CreateKey; s3 CreateBucket; iam CreateRole, PutRolePolicy; sts AssumeRole; s3 "
        "PutObject, kms GenerateDataKey by the role",
        cost=_KEY_COST, tear_down="role, bucket; the key is scheduled for deletion in 7 days",
    ),
    Experiment(
        name="key-id-header", run=_key_id_header,
        statement="a key that a caller names by its id is not its ARN in the condition "
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
        limit="where a caller names the key by its id or alias",
        calls="kms CreateKey; s3 CreateBucket; iam CreateRole, PutRolePolicy; sts AssumeRole; s3 "
        "PutObject twice by the role",
        cost=_KEY_COST, tear_down="role, bucket; the key is scheduled for deletion in 7 days",
    ),
)  # fmt: skip
"""All experiments, in the order in which they run."""
