#!/usr/bin/python3
"""A star of Dask actors, a process each, that send back the vector they are sent; the client makes the mean:
exchange_dask.py LEARNERS PARAMETERS:ROUNDS... Prints what exchange.py prints, and the client's peak."""
import json
import statistics
import sys
import time

import collective
import dask
import numpy
from distributed import Client, LocalCluster


class Learner:
    def exchange(self, values):
        return values

    def peak(self):
        import resource
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def rounds(learners, n_values, n_rounds):
    model = numpy.resize(numpy.arange(1000, dtype="float32") * 0.001, n_values)
    for _ in range(n_rounds + 1):
        start = time.perf_counter()
        replies = [learner.exchange(model) for learner in learners]
        total = numpy.zeros(n_values, dtype="float32")
        for reply in replies:
            total += reply.result()
        model = total / len(learners)
        yield time.perf_counter() - start


def main():
    n_learners = int(sys.argv[1])
    dask.config.set({"distributed.comm.compression": None})
    with LocalCluster(n_workers=n_learners, threads_per_worker=1, dashboard_address=None, memory_limit=0) as cluster, \
            Client(cluster) as client:
        client.wait_for_workers(n_learners)
        workers = list(client.scheduler_info()["workers"])
        learners = [client.submit(Learner, actor=True, workers=[worker], pure=False).result() for worker in workers]
        results = {}
        for case in sys.argv[2:]:
            n_values, n_rounds = map(int, case.split(":"))
            seconds = list(rounds(learners, n_values, n_rounds))[1:]
            results[str(n_values)] = {
                "seconds": statistics.median(seconds),
                "server_bytes": collective.peak_bytes(),
                "learner_bytes": max(learner.peak().result() for learner in learners),
            }
    print(json.dumps(results))


if __name__ == "__main__":
    main()
