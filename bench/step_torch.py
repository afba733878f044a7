#!/usr/bin/env python3
"""Times one training step of bench/step.c's three models in PyTorch, on one thread, and prints the same JSON."""

import json
import statistics
import time

import torch
from torch import nn

SUBJECTS = [
    ("mlp 784-512-256-10, batch 64", [784], 64, 300,
     [nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 10)]),
    ("mlp 784-256-128-10, batch 32", [784], 32, 600,
     [nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10)]),
    ("cnn 5x5x32 5x5x64 512 10, batch 64", [1, 28, 28], 64, 20,
     [nn.Conv2d(1, 32, 5, padding="same"), nn.ReLU(), nn.MaxPool2d(2),
      nn.Conv2d(32, 64, 5, padding="same"), nn.ReLU(), nn.MaxPool2d(2),
      nn.Flatten(), nn.Linear(7 * 7 * 64, 512), nn.ReLU(), nn.Linear(512, 10)]),
]


def median_step(layers, shape, batch, n_steps):
    model = nn.Sequential(*layers)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    inputs, classes = torch.rand(batch, *shape), torch.randint(0, 10, (batch,))
    n_warm_up = n_steps // 5 + 2
    milliseconds = []
    for i in range(n_warm_up + n_steps):
        start = time.perf_counter()
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), classes).backward()
        optimizer.step()
        if i >= n_warm_up:
            milliseconds.append((time.perf_counter() - start) * 1e3)
    return statistics.median(milliseconds)


def main():
    torch.manual_seed(1)
    torch.set_num_threads(1)
    print(json.dumps({
        "library": f"PyTorch {torch.__version__}",
        "milliseconds": {name: round(median_step(layers, shape, batch, n_steps), 4)
                         for name, shape, batch, n_steps, layers in SUBJECTS},
    }))


if __name__ == "__main__":
    main()
