#!/usr/bin/python3
"""A bad network, for some seconds (`./dev soak network` has minutes, lost packets and namespaces): delays, connections that
are cut or said once more by another, and a partition that nobody is told of. All are awaited, so the model must be the
one of an undisturbed run."""
import time

from cohort_e2e import TIMEOUT, classes_experiment, enum_name, main, to_yaml
from proxy import Proxy

ROUNDS, LEASE = 14, 1


def yaml_of(world):
    """A model of 120 kB, which goes in streams of its own."""
    layers = [{"dense": {"units": 3000, "activation": "relu"}}, {"dense": {"units": 3}}]
    changes = {"data": {"test": None}, "model": {"layers": layers}, "simulation": {"delay": "100ms"}, "collaboration": {"rounds": ROUNDS}}
    return to_yaml(classes_experiment(world.folder, **changes))


class Deployment:
    """Four learners, the first two behind one proxy, the others behind another; a user who is beside the coordinator."""

    def __init__(self, world, yaml, through=lambda address: (address, address)):
        self.coordinator = world.coordinator("read_data=true", f"lease={LEASE}s")
        self.stub = world.stub(self.coordinator)
        behind = through(self.coordinator.address)
        self.learners = [world.learner(behind[i // 2], f"learner-{i}", announced=False) for i in range(4)]
        self.id = self.stub.CreateExperiment(yaml=yaml).experiment.id

    def get(self):
        return self.stub.GetExperiment(experiment_id=self.id).experiment

    def wait(self, done, meanwhile=lambda: None):
        until = time.monotonic() + TIMEOUT
        while not done(found := self.get()):
            assert time.monotonic() < until, self.stub.ExplainExperiment(experiment_id=self.id)
            meanwhile()
            time.sleep(0.02)
        return found

    def finish(self, meanwhile=lambda: None):
        found = self.wait(lambda found: enum_name("ExperimentState", found.state) not in ("WAITING", "RUNNING"), meanwhile)
        assert enum_name("ExperimentState", found.state) == "COMPLETED", found.message
        return found.model_sha256

    def lost(self, which):
        return sum(row["message"] == "connection lost" for one in self.learners[which] for row in one.records())


def it_ends_in_the_same_model_whatever_the_network_does(world):
    yaml = yaml_of(world)
    wanted = Deployment(world, yaml).finish()
    proxies = []

    def through(address):
        proxies.extend((Proxy(address, delay=0.02, repeated=0.5), Proxy(address)))
        for proxy in proxies:
            world.stack.callback(proxy.close)
        return [proxy.address for proxy in proxies]

    it = Deployment(world, yaml, through)
    unsteady, apart = proxies
    state = {"cuts": 0, "at": 0}

    def cut_now_and_then():
        if state["cuts"] < 6 and time.monotonic() >= state["at"]:
            state.update(cuts=state["cuts"] + 1, at=time.monotonic() + 0.5)
            unsteady.cut()

    it.wait(lambda found: found.round >= 2)
    apart.partitioned = True
    begun, before = time.monotonic(), it.get().round
    it.wait(lambda found: time.monotonic() - begun > 3 * LEASE, cut_now_and_then)
    meanwhile = it.get().round - before
    apart.partitioned = False
    found = it.finish(cut_now_and_then)
    print(f"# {state['cuts']} cuts, {unsteady.n_repeated} connections repeated, {it.lost(slice(0, 2))} lost; apart for {3 * LEASE} s, "
          f"{meanwhile} rounds meanwhile, {it.lost(slice(2, 4))} lost")
    assert found == wanted, f"{found} is not the undisturbed {wanted}"
    assert meanwhile <= 1, "a round was committed without those who were away"
    assert it.lost(slice(0, 2)) >= 2 and it.lost(slice(2, 4)) >= 2, "nothing was disturbed"


main(globals())
