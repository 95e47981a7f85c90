"""Trains a small convolutional network, epoch by epoch, going on from a checkpoint if there is."""

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
    """A convolution, a layer, ten scores."""
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
    """Train, tell, keep."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.keras.utils.set_random_seed(given.seed)
    model = network()
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # Momentum is not kept between epochs' checkpoints, so none is used: one epoch is one state.
    model.compile(tf.keras.optimizers.SGD(0.1), loss, metrics=["accuracy"])
    values, labels = read("train.csv")
    done = sorted(CHECKPOINTS.glob("epoch-*.weights.h5"))
    if done:
        model.load_weights(done[-1])
        print(f"going on after {done[-1].name}", flush=True)
    for epoch in range(len(done), given.epochs):
        order = np.random.default_rng(given.seed + epoch).permutation(len(values))
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
