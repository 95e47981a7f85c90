"""Trains a network on digits: in one process, or in several under torchrun."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import parameters_to_vector

BATCH = 64


def read(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Grey values and labels (the first column) of one file of the channel."""
    table = np.loadtxt(Path(os.environ["SM_CHANNEL_DIGITS"]) / name, delimiter=",")
    values = torch.tensor(table[:, 1:], dtype=torch.float32)
    return values, torch.tensor(table[:, 0], dtype=torch.long)


def network() -> nn.Module:
    """A network from 64 grey values to a score for each of ten digits."""
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def train(model: nn.Module, arguments: argparse.Namespace, rank: int, hosts: int) -> float:
    """Train on this process's share of each batch; the mean of the gradients is the batch's."""
    values, labels = read("train.csv")
    order = torch.Generator().manual_seed(arguments.seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=arguments.learning_rate, momentum=0.9)
    loss_of = nn.CrossEntropyLoss()
    loss = torch.zeros(())
    whole = len(values) // BATCH * BATCH  # equal shares, whose means can be averaged
    for _ in range(arguments.epochs):
        for batch in torch.randperm(len(values), generator=order)[:whole].split(BATCH):
            share = batch[rank::hosts]
            optimizer.zero_grad()
            loss = loss_of(model(values[share]), labels[share])
            loss.backward()
            optimizer.step()
    return float(loss.detach())


def main() -> None:
    """Train; the first process reports and saves."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--learning-rate", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    model = network()
    rank, hosts = 0, 1
    trained: nn.Module = model
    if "RANK" in os.environ:
        dist.init_process_group("gloo")
        rank, hosts = dist.get_rank(), dist.get_world_size()
        trained = DistributedDataParallel(model)
    loss = train(trained, arguments, rank, hosts)
    if rank == 0:
        values, labels = read("test.csv")
        right = (model(values).argmax(1) == labels).float().mean()
        norm = parameters_to_vector(model.parameters()).norm()
        print(f"train:loss={loss:.6f} hosts={hosts} norm={norm:.6f}", flush=True)
        print(f"test:accuracy={right:.6f}", flush=True)
        torch.save(model.state_dict(), Path(os.environ["SM_MODEL_DIR"]) / "model.pt")
    if hosts > 1:
        # No process exits while another one sends to it, or while the network's threads run.
        dist.barrier()
        del trained
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
