"""Pods come and go in the middle of an experiment, which ends in the model that it would have ended in anyway."""
import json
import os
import re
import signal

DEMO = ["components/demo"]  # with claims: the coordinator's state outlives its pod
ROUNDS = 100


def restarts(cluster, pod):
    return cluster.get("pod", pod)["status"]["containerStatuses"][0]["restartCount"]


def kill(cluster, pod, program):
    """SIGKILL, as the kernel does it when memory is out; the container is started again."""
    number, before = cluster.process(pod, program), restarts(cluster, pod)
    assert number, f"no process of {pod}"
    os.kill(number, signal.SIGKILL)
    cluster.await_(f"restart of {pod}", lambda: restarts(cluster, pod) > before)


def evict(cluster, pod):
    eviction = {"apiVersion": "policy/v1beta1" if cluster.old else "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": "cohort"}}
    path = f"/api/v1/namespaces/cohort/pods/{pod}/eviction"
    cluster.run("kubectl", "create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))


def scale(cluster, n):
    cluster.k("scale", "statefulset/cohort-learner", f"--replicas={n}")


def restart_all(cluster):
    cluster.k("rollout", "restart", "statefulset/cohort-coordinator", "statefulset/cohort-learner")


def steps(cluster):
    """(round to wait for, what then happens)."""
    yield 4, lambda: scale(cluster, 3)
    if cluster.node:
        yield 10, lambda: kill(cluster, "cohort-coordinator-0", "cohort-coordinator")
    yield 20, lambda: cluster.k("delete", "pod", "cohort-coordinator-0")
    yield 30, lambda: scale(cluster, 8)
    yield 38, lambda: cluster.k("delete", "pod", "cohort-learner-0", "cohort-learner-1")
    if cluster.node:
        yield 46, lambda: kill(cluster, "cohort-learner-1", "cohort-learner")
    yield 54, lambda: evict(cluster, "cohort-learner-0")
    yield 60, lambda: scale(cluster, 2)
    yield 70, lambda: restart_all(cluster)


def it_loses_no_round_and_ends_in_the_same_model(cluster):
    path = cluster.experiment(collaboration={"rounds": ROUNDS, "learners": 2}, simulation={"delay": "1s"})
    cluster.volumes(10)
    folder = cluster.overlay("life", ["base"], DEMO, replicas=[{"name": "cohort-learner", "count": 2}])
    cluster.apply(folder)
    reached = 0
    for number, what in steps(cluster):
        cluster.reach_round(number)
        now = cluster.round()
        assert now >= reached, f"round {reached} was committed, and now it is at {now}"
        reached = now
        what()
    words = cluster.submitted(seconds=900)
    cluster.ready("statefulset", "cohort-coordinator")
    cluster.ready("statefulset", "cohort-learner")
    rounds = [int(it) for it in re.findall(r"^round (\d+) committed", words, re.M)]
    assert sorted(set(rounds)) == list(range(1, ROUNDS + 1)), words
    assert all(after in (before, before + 1) for before, after in zip(rounds, rounds[1:])), rounds
    cluster.await_("the end of the experiment", lambda: cluster.round() == ROUNDS)
    with cluster.forward() as address:
        got = cluster.cohort("model", "download", "--coordinator", address, "--out", "life.safetensors").stdout.split()[0]
    assert got == cluster.local_hash(path, "--set", "simulation.delay=0s"), "the model is another than the undisturbed run's"


def it_goes_on_without_a_learner_that_is_gone(cluster):
    cluster.experiment(collaboration={"rounds": 20, "learners": 3, "participation": {"minimum": 2, "deadline": "2s"}}, simulation={"delay": "500ms"})
    cluster.apply(cluster.overlay("straggler", ["base"], [*DEMO, "components/no-claims"]))
    cluster.reach_round(3)
    scale(cluster, 2)
    cluster.submitted()
    states = {labels["state"]: value for labels, value in cluster.metrics()["cohort_learners"]}
    assert states["lost"] + states["left"] == 1, states


def it_joins_soon_after_the_service_that_it_dials_is_there(cluster):
    """A name that does not resolve is asked for again soon (lib/rpc/channel.c)."""
    cluster.apply(cluster.overlay("late", ["base"], [*DEMO, "components/no-claims"]))
    cluster.ready("statefulset", "cohort-learner")
    cluster.k("delete", "service/cohort-coordinator")
    cluster.k("rollout", "restart", "statefulset/cohort-learner")
    cluster.ready("statefulset", "cohort-learner")
    cluster.k("wait", "--for=condition=ready", "pod/cohort-learner-0", "--timeout=60s")
    until = "cohort-learner-0"
    assert '"joined"' not in cluster.logs(until), "it cannot have"
    import time

    time.sleep(15)  # in which gRPC's own pauses would have grown to 8 s; nothing tells of them
    cluster.apply(cluster.scratch / "k8s/overlays/test-late")
    began = time.monotonic()
    cluster.await_("learner that joins", lambda: '"joined"' in cluster.logs(until), seconds=60, pause=0.1)
    seconds = time.monotonic() - began
    print(f"# joined {seconds:.1f} s after the service was there")
    assert seconds < 4 or not cluster.timed, seconds
