#!/usr/bin/python3
"""All-reduce of float32 vectors, nothing else: exchange.py gloo|mpi RANKS PARAMETERS:ROUNDS...
Sizes ascending, as a process's peak only grows. Prints the median seconds of a round, and the peak of a rank, by size."""
import json
import statistics
import sys
import time

import collective
import numpy


def main():
    peers = collective.join(sys.argv[1], int(sys.argv[2]))
    results = {}
    for case in sys.argv[3:]:
        n_values, n_rounds = map(int, case.split(":"))
        values = numpy.resize(numpy.arange(1000, dtype="float32") * 0.001, n_values)
        seconds = []
        for _ in range(n_rounds + 1):
            start = time.perf_counter()
            peers.mean(values)
            seconds.append(time.perf_counter() - start)
        results[str(n_values)] = {
            "seconds": statistics.median(seconds[1:]),  # the first connects
            "learner_bytes": peers.largest(collective.peak_bytes()),
        }
    if peers.rank == 0:
        print(json.dumps(results))
    peers.leave()


main()
