"""How long a pod takes to join, and what coordinator and learner hold at rest: the figures of docs/kubernetes.md."""
import datetime
import json
import pathlib
import time

SECONDS, OWN_SECONDS, MEMORY = 2, 0.15, 20e6


def started(number):
    """When a process of this machine was started, in seconds since 1970."""
    ticks = int(pathlib.Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[19])
    up = float(pathlib.Path("/proc/uptime").read_text().split()[0])
    return time.time() - up + ticks / 100


def joined(log):
    for line in log.splitlines():
        record = json.loads(line)
        if record["message"] == "joined":
            return datetime.datetime.fromisoformat(record["time"].replace("Z", "+00:00")).timestamp()
    return None


def it_starts_at_once_and_rests_small(cluster):
    cluster.apply(cluster.overlay("pods", ["base"], ["components/no-claims"], replicas=[{"name": "cohort-learner", "count": 1}]))
    cluster.ready("statefulset", "cohort-coordinator")
    cluster.ready("statefulset", "cohort-learner")
    taken, own = [], []
    for i in range(1, 4):
        began = time.time()
        cluster.k("scale", "statefulset/cohort-learner", f"--replicas={i + 1}")
        pod = f"cohort-learner-{i}"
        at = cluster.await_(f"{pod} that joins", lambda: joined(cluster.logs(pod)), pause=0.1)
        taken.append(at - began)
        number = cluster.process(pod, "cohort-learner")
        if number:
            own.append(at - started(number))
    rest = {}
    for pod in "cohort-coordinator-0", "cohort-learner-1":
        rest[pod] = cluster.metrics(pod)["process_resident_memory_bytes"][0][1]
    print(f"# from `kubectl scale` to joined: {', '.join(f'{it:.2f}' for it in taken)} s; from the process's start: {', '.join(f'{it:.3f}' for it in own)} s")
    print("# at rest: " + ", ".join(f"{pod} {value / 1e6:.1f} MB" for pod, value in rest.items()))
    assert all(value < MEMORY for value in rest.values()), rest
    if cluster.timed:
        assert sorted(taken)[1] < SECONDS and sorted(own or [0])[len(own) // 2] < OWN_SECONDS, (taken, own)
