#!/usr/bin/python3
"""Disks that are full, or fail, under coordinator and learners: told, waited for, and the undisturbed run's model (SEED)."""
import contextlib
import json
import os
import pathlib
import random
import subprocess
import sys
import time

import cohort_e2e
import durable
from cohort_e2e import Service, main, sha256, to_yaml
from durable import Deployment, experiment, outcome

cohort_e2e.TIMEOUT = 1800
SEED = int(os.environ.get("SEED", "1"))
PRELOAD = "/usr/lib/fiu/fiu_run_preload.so /usr/lib/fiu/fiu_posix_preload.so"
CALLS = ["rw/write", "rw/pwrite", "sync/fsync", "sync/fdatasync", "dir/rename", "oc/open"]  # libfiu's posix/io/...
ERRORS = {"EIO": 5, "ENOSPC": 28}
ROUNDS = 120


class Preloaded(Deployment):
    """Programs whose system calls can be told to fail while they run (libfiu)."""

    def preloaded(self):
        return {"LD_PRELOAD": PRELOAD, "FIU_CTRL_FIFO": f"{self.world.folder}/fiu"}

    def start_coordinator(self, environment=None):
        super().start_coordinator({**self.preloaded(), **(environment or {})})

    def start_learner(self, i):
        state = f"state.folder={self.world.folder}/{self.name}-learner-{i}"
        self.learners[i] = self.world.learner(
            self.address, f"learner-{i}", state, *self.learner_settings, announced=False, environment=self.preloaded()
        )

    def tell(self, service, command):
        control = f"{self.world.folder}/fiu"
        subprocess.run(["fiu-ctrl", "-f", control, "-c", command, str(service.process.pid)], check=True, timeout=60)


class Faults:
    """One after the other: a system call of one process fails, always or at random, for a while; then none does."""

    def __init__(self, targets, calls=CALLS, seconds=1.0):
        self.seconds = seconds
        chance = random.Random(SEED)
        kinds = [
            (target, call, number, probability)
            for target in targets
            for call in calls
            for number in ERRORS.values()
            for probability in (1, 0.3)
        ]
        chance.shuffle(kinds)
        self.left, self.n, self.active, self.at = kinds, len(kinds), None, time.monotonic() + 1
        self.told, self.logged = set(), 0

    def __call__(self, deployment):
        found = deployment.get("tiny")
        if found and found.message:
            self.told.add(found.message)
        if time.monotonic() < self.at:
            return
        if self.active:
            service, call = self.active
            deployment.tell(service, f"disable name=posix/io/{call}")
            self.active, self.at = None, time.monotonic() + 0.2
        elif self.left:
            target, call, number, probability = self.left.pop()
            service = deployment.coordinator if target == "coordinator" else deployment.learners[target]
            how = "enable" if probability == 1 else "enable_random"
            share = "" if probability == 1 else f",probability={probability}"
            deployment.tell(service, f"{how} name=posix/io/{call}{share},failinfo={number}")
            self.active, self.at = (service, call), time.monotonic() + self.seconds


class Full:
    """The disk is full for a while, again and again, until told of it each time."""

    def __init__(self, folder, n, logs):
        self.ballast, self.left, self.n, self.logs = pathlib.Path(folder, "ballast"), n, n, logs
        self.at, self.seen, self.told = time.monotonic() + 1, 0, set()

    def refusals(self, deployment):
        return sum("refuses" in row["message"] or "cannot keep" in row["message"] for one in self.logs(deployment) for row in one.records())

    def __call__(self, deployment):
        found = deployment.get("tiny")
        if found and found.message:
            self.told.add(found.message)
        if time.monotonic() < self.at or (not self.left and not self.ballast.exists()):
            return
        if self.ballast.exists():
            if self.refusals(deployment) == self.seen:  # nobody has met it yet
                return
            self.ballast.unlink()
            self.at = time.monotonic() + 0.5
            return
        self.left -= 1
        self.seen = self.refusals(deployment)
        with open(self.ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass
        self.at = time.monotonic() + 0.3


def yaml_of(world, rounds=ROUNDS, **changes):
    wanted = {"rounds": rounds, "algorithm": "scaffold", **changes}
    return to_yaml(experiment(world, collaboration=wanted))


def check_files(deployment, records):
    """Every model that is there is its record's, and nothing half-written is in place."""
    folder = deployment.state / "tiny"
    models = sorted(folder.glob("*.safetensors"))
    for path in models:
        record = json.loads(records[int(path.stem.removeprefix("round-"))])
        assert sha256(path) == record["model"], path
    assert not list(folder.glob("*.partial")), list(folder.iterdir())
    return len(models)


def check_refused_round(world, name, faults, yaml, told):
    """The run under `faults` is the undisturbed one."""
    wanted, records, _ = outcome(world, f"{name}-undisturbed", yaml, seconds=600)
    durable.Deployment = Preloaded
    try:
        found, again, deployment = outcome(world, name, yaml, meanwhile=faults, seconds=1200)
    finally:
        durable.Deployment = Deployment
    n_models = check_files(deployment, again)
    words = [row["message"] for row in deployment.coordinator.records()]
    print(f"# {name}: {faults.n - len(faults.left)} faults of {faults.n}, {len(again) - 1} rounds, {n_models} models sound, "
          f"{sum('refuses' in word for word in words)} refusals logged, told: {len(faults.told)} messages, {found}")
    assert found == wanted and again == records, "another model, or other records"
    assert not faults.left, "the experiment was over before all faults were tried"
    assert deployment.n_starts == 1, "the coordinator ended"
    assert not told or any("cannot" in word for word in faults.told), faults.told


def it_waits_while_the_coordinators_disk_fails(world):
    check_refused_round(world, "coordinator", Faults(["coordinator"]), yaml_of(world), told=True)


def it_waits_while_learners_disks_fail(world):
    calls = ["rw/write", "sync/fsync", "dir/rename", "oc/open"]
    check_refused_round(world, "learners", Faults([0, 1], calls, 0.4), yaml_of(world, rounds=500), told=False)


def it_waits_while_summaries_that_lie_in_a_file_cannot_be_kept(world):
    """A reducer that gathers, without memory for it."""
    world.environment["COHORT_LIMITS_BUFFER"] = "0"
    yaml = yaml_of(world, algorithm="fedavg", reducer={"geometric_median": {}})
    faults = Faults(["coordinator"], seconds=0.5)
    faults.left = [row for row in faults.left if row[1] in ("rw/pwrite", "oc/open")] + [
        ("coordinator", "rw/pread", 5, probability) for probability in (1, 0.3)
    ]
    faults.n = len(faults.left)
    check_refused_round(world, "gathered", faults, yaml, told=True)


@contextlib.contextmanager
def small_disk(folder, kilobytes):
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def full_disk(world, name, whose, logs, told):
    yaml = yaml_of(world, rounds=200)
    wanted, records, _ = outcome(world, f"{name}-undisturbed", yaml, seconds=600)
    with small_disk(world.folder / whose(name), 4096) as folder:
        full = Full(folder, 10, logs)
        found, again, deployment = outcome(world, name, yaml, meanwhile=full, seconds=1200)
        n_models = check_files(deployment, again)
    print(f"# {name}: full {full.n - full.left} times, {full.refusals(deployment)} refusals logged, {n_models} models sound, "
          f"told: {full.told}, {found}")
    assert found == wanted and again == records
    assert full.left == 0, f"the experiment was over after {full.n - full.left} times"
    assert deployment.n_starts == 1
    assert not told or any("No space" in word or "full" in word for word in full.told), full.told


def it_waits_until_the_coordinators_full_disk_has_room(world):
    full_disk(world, "full", lambda name: f"{name}-state", lambda deployment: [deployment.coordinator], told=True)


def it_waits_until_a_learners_full_disk_has_room(world):
    full_disk(world, "full-learner", lambda name: f"{name}-learner-0", lambda deployment: [deployment.learners[0]], told=False)


if os.geteuid() != 0:
    sys.exit("disk: mounting a small disk takes root")
main(globals())
