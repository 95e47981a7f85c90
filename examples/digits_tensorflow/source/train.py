"""Trains a small convolutional network, and resumes from a checkpoint if there is one."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import tensorflow as tf

CHECKPOINTS = Path(os.environ.get("CHECKPOINTS", "/opt/ml/checkpoints"))


def read(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of 8 x 8 and labels (the first column) of one file of the channel."""
    table = np.loadtxt(Path(os.environ["SM_CHANNEL_DIGITS"]) / name, delimiter=",")
    return table[:, 1:].reshape(-1, 8, 8, 1).astype("float32"), table[:, 0].astype("int32")


def network() -> tf.keras.Model:
    """A network of a convolution, a dense layer and ten scores."""
    return tf.keras.Sequential(
        [
            tf.keras.Input((8, 8, 1)),
            tf.keras.layers.Conv2D(16, 3, activation="relu"),
            tf.keras.layers.Flatten(),
            tf.keras.layers.Dense(32, activation="relu"),
            tf.keras.layers.Dense(10),
        ]
    )


def main() -> None:
    """Train, report and save the model."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.keras.utils.set_random_seed(arguments.seed)
    model = network()
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # Checkpoints have no momentum, so the optimizer uses none: an epoch resumes exactly.
    model.compile(tf.keras.optimizers.SGD(0.1), loss, metrics=["accuracy"])
    values, labels = read("train.csv")
    checkpoints = sorted(CHECKPOINTS.glob("epoch-*.weights.h5"))
    if checkpoints:
        model.load_weights(checkpoints[-1])
        print(f"resuming after {checkpoints[-1].name}", flush=True)
    for epoch in range(len(checkpoints), arguments.epochs):
        order = np.random.default_rng(arguments.seed + epoch).permutation(len(values))
        model.fit(values[order], labels[order], batch_size=32, shuffle=False, verbose=0)
        CHECKPOINTS.mkdir(parents=True, exist_ok=True)
        model.save_weights(CHECKPOINTS / f"epoch-{epoch:03d}.weights.h5")
        print(f"epoch {epoch} done", flush=True)
    values, labels = read("test.csv")
    accuracy = float(np.mean(model.predict(values, verbose=0).argmax(1) == labels))
    print(f"test:accuracy={accuracy:.6f}", flush=True)
    model.save(Path(os.environ["SM_MODEL_DIR"]) / "model.keras")


if __name__ == "__main__":
    main()
