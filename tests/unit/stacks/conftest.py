from __future__ import annotations

from pathlib import Path

import pytest
from aws_cdk import App

import app as project
from scripts.synthesis import SETTINGS, context
from stacks import load_settings


@pytest.fixture(scope="session")
def assemblies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """All settings, synthesised once in this process, to read."""
    folders = {settings: tmp_path_factory.mktemp(settings) for settings in (*SETTINGS, "tune")}
    for settings, folder in folders.items():
        app = App(context=context(), outdir=str(folder))
        project.build(app, load_settings(settings))
        app.synth()
    return folders
