"""Calls at a fixed rate, whatever the answers take: api_load.py ADDRESS SECONDS RATE EXPERIMENT|health

Prints one JSON object: calls, failures by status, and latencies in ms. Requests are written by hand and answers are not
decoded, so that the time is the server's and the network's."""
import collections
import json
import sys
import threading
import time

import grpc


def text(field, value):
    return bytes([field << 3 | 2, len(value)]) + value.encode()


def share(sorted_values, part):
    return sorted_values[min(len(sorted_values) - 1, int(part * len(sorted_values)))] if sorted_values else None


def main():
    address, seconds, rate, what = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
    channel = grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0), ("grpc.max_receive_message_length", -1)])
    service = "/cohort.v1.Coordinator/"
    mix = [
        (service + "GetExperiment", text(1, what)),
        (service + "ListExperiments", b""),
        (service + "ExplainExperiment", text(1, what)),
        (service + "GetExperiment", text(1, what)),
        (service + "ListLearners", b""),
    ]
    if what == "health":
        mix = [("/grpc.health.v1.Health/Check", b"")]
    calls = [(channel.unary_unary(path), request) for path, request in mix]
    took, failures, left, lock = [], collections.Counter(), threading.Semaphore(0), threading.Lock()

    def done(begun, future):
        code = future.code()
        with lock:
            if code == grpc.StatusCode.OK:
                took.append((time.monotonic() - begun) * 1e3)
            else:
                failures[f"{code.name}: {future.details()}"] += 1
        left.release()

    begun, n = time.monotonic(), 0
    while (due := begun + n / rate) < begun + seconds:
        time.sleep(max(0, due - time.monotonic()))
        call, request = calls[n % len(calls)]
        now = time.monotonic()
        call.future(request, timeout=60).add_done_callback(lambda future, now=now: done(now, future))
        n += 1
    for _ in range(n):
        left.acquire()
    took.sort()
    told = {"calls": n, "seconds": time.monotonic() - begun, "failures": failures}
    told["ms"] = {name: share(took, part) for name, part in (("p50", 0.5), ("p99", 0.99), ("most", 1))}
    print(json.dumps(told))


main()
