#!/usr/bin/python3
"""Federated averaging in PyTorch, a rank a learner with a tenth of the digits: fedavg.py gloo|mpi RANKS FOLDER ROUNDS
FOLDER has MNIST's four files. MLP 784-256-128-10, SGD 0.1, batch 32, one local epoch, one thread. Prints the median
seconds of a round (training and the mean), and the test accuracy after the last, which the first rank takes after each."""
import gzip
import json
import statistics
import sys
import time

import collective
import numpy
import torch
from torch import nn


def load(folder, name):
    with gzip.open(f"{folder}/{name}.gz") as file:
        content = file.read()
    shape = [int.from_bytes(content[4 + 4 * i:8 + 4 * i], "big") for i in range(content[3])]
    return numpy.frombuffer(content, dtype="uint8", offset=4 + 4 * len(shape)).reshape(shape)


def load_pair(folder, kind):
    features = load(folder, f"{kind}-images-idx3-ubyte").reshape(-1, 784).astype("float32") / 255
    return torch.from_numpy(features), torch.from_numpy(load(folder, f"{kind}-labels-idx1-ubyte").astype("int64"))


def train(model, features, labels, order):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for batch in order.split(32):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(features[batch]), labels[batch]).backward()
        optimizer.step()


def average(peers, model):
    vector = nn.utils.parameters_to_vector(model.parameters()).detach().numpy()
    peers.mean(vector)
    nn.utils.vector_to_parameters(torch.from_numpy(vector), model.parameters())


def main():
    backend, n_ranks, folder, n_rounds = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    peers = collective.join(backend, n_ranks)
    torch.set_num_threads(1)
    torch.manual_seed(42)
    model = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))
    features, labels = load_pair(folder, "train")
    mine = torch.randperm(len(features))[peers.rank::peers.size]  # the same permutation in every rank
    features, labels = features[mine].clone(), labels[mine].clone()
    test_features, test_labels = load_pair(folder, "t10k") if peers.rank == 0 else (None, None)
    seconds, accuracy = [], 0.0
    average(peers, model)  # connects
    for _ in range(n_rounds):
        start = time.perf_counter()
        train(model, features, labels, torch.randperm(len(features)))
        average(peers, model)
        seconds.append(time.perf_counter() - start)
        if peers.rank == 0:
            with torch.no_grad():
                accuracy = (model(test_features).argmax(1) == test_labels).float().mean().item()
    peak = peers.largest(collective.peak_bytes())
    if peers.rank == 0:
        print(json.dumps({"round": {"seconds": statistics.median(seconds), "accuracy": accuracy, "learner_bytes": peak}}))
    peers.leave()


main()
