"""App with the project's stacks, from one settings file; synthesis needs no AWS account."""

from __future__ import annotations

import sys

from aws_cdk import App
from aws_cdk import aws_iam as iam

from constructs_lib import ConfigurationError
from stacks import (
    DataStack,
    OperationsStack,
    ServingStack,
    Settings,
    SettingsError,
    TrainingStack,
    WorkbenchStack,
    load_settings,
)

# Stack traces have temporary paths, so that each assembly would differ. The CDK CLI does not pass
# these keys from cdk.json to the app.
_NO_TRACES = {
    "aws:cdk:disable-stack-trace": True,
    "aws:cdk:disable-creation-stack-traces": True,
}


def build(app: App, settings: Settings) -> None:
    """Add the five stacks of a project to an app."""
    name = settings.project.name
    tags = {"sageloop:project": name}
    data = DataStack(app, f"{name}-Data", settings=settings, tags=tags)
    training = TrainingStack(app, f"{name}-Training", settings=settings, data=data, tags=tags)
    serving = ServingStack(app, f"{name}-Serving", settings=settings, data=data, tags=tags)
    WorkbenchStack(
        app, f"{name}-Workbench", settings=settings, data=data, training=training, tags=tags
    )
    OperationsStack(
        app, f"{name}-Operations", settings=settings, data=data, training=training,
        serving=serving, tags=tags,
    )  # fmt: skip
    boundary = settings.project.permissions_boundary_arn
    if boundary is not None:
        policy = iam.ManagedPolicy.from_managed_policy_arn(data, "Boundary", boundary)
        iam.PermissionsBoundary.of(app).apply(policy)


def main() -> int:
    """Synthesise the app; invalid settings are reported without a stack trace."""
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    app = App(context=_NO_TRACES)
    try:
        build(app, settings)
    except ConfigurationError as error:
        sys.stderr.write(f"the settings cannot be used: {error}\n")
        return 1
    app.synth()
    return 0


if __name__ == "__main__":
    sys.exit(main())
