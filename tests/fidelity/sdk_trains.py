"""Run by the SageMaker SDK's own Python: a ModelTrainer as its guide shows it, and nothing else."""

from __future__ import annotations

import json
import sys

from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, SourceCode, StoppingCondition


def main(image: str, role: str, source: str, data: str, base: str) -> None:
    trainer = ModelTrainer(
        training_image=image,
        role=role,
        base_job_name=base,
        source_code=SourceCode(
            source_dir=source, entry_script="train.py", requirements="requirements.txt"
        ),
        compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=5),
        hyperparameters={"epochs": 2, "learning-rate": 0.5, "shuffle": True},
        stopping_condition=StoppingCondition(max_runtime_in_seconds=300),
    )
    trainer.train(input_data_config=[InputData(channel_name="train", data_source=data)], wait=True)
    job = trainer._latest_training_job
    job.refresh()
    told = {
        "name": job.training_job_name,
        "status": job.training_job_status,
        "model": job.model_artifacts.s3_model_artifacts,
    }
    sys.stdout.write(f"\nTOLD {json.dumps(told)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
