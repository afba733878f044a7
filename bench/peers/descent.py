#!/usr/bin/python3
"""Gradient descent on the mean squared error of a linear model, each rank on its share of the rows, in numpy:
descent.py gloo|mpi RANKS FOLDER STEPS RATE. FOLDER has features.npy [n, d] and targets.npy [n, 1].
Prints the seconds of all steps, reading not counted, and the loss before the last."""
import json
import sys
import time

import collective
import numpy


def main():
    backend, n_ranks, folder, n_steps, rate = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), float(sys.argv[5])
    peers = collective.join(backend, n_ranks)
    features, targets = (numpy.array(numpy.load(f"{folder}/{name}.npy", mmap_mode="r")[peers.rank::peers.size])
                         for name in ("features", "targets"))
    targets = targets[:, 0]
    weights, bias = numpy.zeros(features.shape[1], dtype="float32"), numpy.float32(0)
    summary = numpy.zeros(len(weights) + 2, dtype="float32")  # gradient by weights and bias, loss
    peers.mean(summary)  # everyone has read, everyone is connected
    start = time.perf_counter()
    for _ in range(n_steps):
        residual = features @ weights + bias - targets
        summary[:-2] = residual @ features * numpy.float32(2 / len(residual))
        summary[-2] = 2 * residual.mean()
        summary[-1] = residual @ residual / len(residual)
        peers.mean(summary)
        weights -= numpy.float32(rate) * summary[:-2]
        bias -= numpy.float32(rate) * summary[-2]
    seconds = time.perf_counter() - start
    if peers.rank == 0:
        print(json.dumps({"steps": {"seconds": seconds, "loss": float(summary[-1])}}))
    peers.leave()


main()
