"""What ./dev bench measures: for each part its contestants, each a function that runs once and returns {case: {metric: value}}."""
import dataclasses
import functools
import importlib.util
import json
import pathlib
import re
import shutil
import subprocess
import sys
import typing

PEERS = pathlib.Path(__file__).resolve().parent / "peers"
DIGITS_FEDAVG = PEERS.parent.parent / "config/experiments/digits-fedavg-iid.yaml"
PYTHON = "/usr/bin/python3"  # the one that Debian's python3-torch and its like are installed for
MPI_TCP = ["--mca", "btl", "tcp,self", "--mca", "btl_tcp_if_include", "lo"]
DIGITS = {"train.features": "train-images-idx3-ubyte.gz", "train.labels": "train-labels-idx1-ubyte.gz",
          "test.features": "t10k-images-idx3-ubyte.gz", "test.labels": "t10k-labels-idx1-ubyte.gz"}
NEEDS = {"MPI": ("mpi4py", "mpirun"), "gloo": ("torch", None), "Dask": ("distributed", None)}
CODECS = ["f32", "f16", "bf16", "int8", "int4", "{kind: top_k, fraction: 0.1}", "{kind: top_k, fraction: 0.01}",
          "{kind: random_k, fraction: 0.1}", "sign", "low_rank"]
WHOLE_FIRST = [f"{{kind: delta, codec: {codec}}}" for codec in CODECS[5:]]  # these send the initial model as float32
DOWNLINKS = ["f16", "bf16", "int8", "int4", "{kind: delta, codec: int8}", "{kind: delta, codec: int4}", *WHOLE_FIRST]


class Skipped(Exception):
    """This machine cannot run it."""


class World:
    """What all parts share: programs, a folder for the run, data made when first asked for."""

    def __init__(self, build, folder, data, target, quick):
        self.build, self.folder, self.target, self.quick = build.resolve(), folder, target, quick
        self.cohort, self.star = self.build / "bin/cohort", self.build / "bench/bench-star"
        self.n_runs = 0
        self._data = data.resolve() if data else None

    @property
    def digits(self):
        if not self._data:
            run([self.cohort, "data", "make", "--out", self.folder / "digits"])
            self._data = self.folder / "digits"
        return self._data

    def descent_data(self, n_samples, n_features):
        """A linear problem with noise, made once, features uniform in [-1, 1)."""
        folder = self.folder / f"descent-{n_samples}"
        if not folder.exists():
            import numpy
            folder.mkdir()
            random = numpy.random.default_rng(7)
            features = random.uniform(-1, 1, size=(n_samples, n_features)).astype("float32")
            truth = random.normal(size=(n_features, 1)).astype("float32")
            noise = random.normal(scale=0.1, size=(n_samples, 1)).astype("float32")
            numpy.save(folder / "features.npy", features)
            numpy.save(folder / "targets.npy", features @ truth + noise)
            numpy.save(folder / "test-features.npy", features[:100])
            numpy.save(folder / "test-targets.npy", (features @ truth + noise)[:100])
        return folder

    def run_cohort(self, file, overrides, *options):
        """The summary and the metrics of `cohort run`, which leaves no folder."""
        self.n_runs += 1
        out = self.folder / f"run-{self.n_runs}"
        words = [word for key, value in overrides.items() for word in ("--set", f"{key}={value}")]
        run([self.cohort, "run", file, "--quiet", "--out", out, *words, *options])
        summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
        rounds = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
        shutil.rmtree(out)
        return summary, [row for row in rounds if row["type"] == "round"]


def run(command, seconds=300):
    """What the command prints; what it said when it failed is in the exception."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True, timeout=seconds)
    return done.stdout


def told(fault):
    said = getattr(fault, "stderr", None) or ""
    lines = [line for line in said.strip().splitlines() if line.strip()]
    return f"{fault}" + (f": {lines[-1]}" if lines else "")


def missing_for(contestant):
    """What is not installed of what the contestant needs; None when all is."""
    for word, (module, program) in NEEDS.items():
        if word in contestant:
            if importlib.util.find_spec(module) is None:
                return f"python3-{module}"
            if program and not shutil.which(program):
                return program
    return None


def peer(backend, n_ranks, script, *arguments):
    """Runs a script of peers/ and returns what it prints: backend gloo, mpi (shared memory) or mpi-tcp."""
    words = [PYTHON, PEERS / script, backend.split("-")[0], n_ranks, *arguments]
    if backend != "gloo":
        words = ["mpirun", "--oversubscribe", "--bind-to", "none", *(MPI_TCP if backend == "mpi-tcp" else []), "-n", n_ranks, *words]
    return json.loads(run(words).splitlines()[-1])


def timed(what):
    """The same, with the seconds from the start of its processes to their end."""
    import time
    start = time.monotonic()
    found = what()
    for values in found.values():
        values["total_seconds"] = time.monotonic() - start
    return found


# ---- exchange, star


def cases_of(sizes):
    return [f"{n_values}:{n_rounds}" for n_values, n_rounds in sizes.items()]


def named(found):
    return {f"{int(size):,} parameters": values for size, values in found.items()}


WAYS = {"Cohort": (), "Cohort over TCP": ("--wire",)}


def cohort_exchange(world, n_learners, n_values, n_rounds, *options):
    found = json.loads(run([world.cohort, "bench", "exchange", "--learners", n_learners, "--parameters", n_values, "--rounds", n_rounds,
                            "--json", *options]))
    peaks = found["peak_rss_bytes"]
    models = {"models": peaks["coordinator"] / 4 / n_values} if n_values >= 1000000 else {}  # a program weighs more than a small one
    return {"seconds": found["round_seconds"]["median"], "server_bytes": peaks["coordinator"], "learner_bytes": peaks["learner"]} | models


def exchange(world):
    sizes = {1000: 20, 100000: 5} if world.quick else {10000: 300, 1000000: 30, 25000000: 6}
    star = lambda n, r: {"seconds": float(run([world.star, 8, n, r]).split()[0])}
    cohort = lambda way: lambda _: named({n: cohort_exchange(world, 8, n, r, *way) for n, r in sizes.items()})
    return {
        **{who: cohort(way) for who, way in WAYS.items()},
        "bare TCP": lambda _: named({n: star(n, r) for n, r in sizes.items()}),
        "gloo": lambda _: named(peer("gloo", 8, "exchange.py", *cases_of(sizes))),
        "MPI, TCP": lambda _: named(peer("mpi-tcp", 8, "exchange.py", *cases_of(sizes))),
        "MPI, shared memory": lambda _: named(peer("mpi", 8, "exchange.py", *cases_of(sizes))),
        "Dask": lambda _: named(json.loads(run([PYTHON, PEERS / "exchange_dask.py", 8, *cases_of(sizes)]).splitlines()[-1])),
    }


def memory(world):
    n_values = 100000 if world.quick else 25000000

    def measure(n_learners, *way):
        room = int(re.search(r"MemAvailable:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text(encoding="ascii"))[1]) * 1024
        need = (n_learners + 5) * n_values * 9
        if room < need:
            raise Skipped(f"{n_learners} learners want {need / 1e9:.0f} GB of memory, {room / 1e9:.0f} are available")
        return cohort_exchange(world, n_learners, n_values, 3, *way)

    return {f"{who}, {n} learners": lambda _, n=n, way=way: {f"{n_values:,} parameters": measure(n, *way)}
            for who, way in WAYS.items() for n in (8, 32, 64)}


def ring(world):
    sizes = {100000: 5} if world.quick else {25000000: 8}
    return {
        **{who: lambda _, way=way: named({n: cohort_exchange(world, 4, n, r, "--topology", "ring", *way)
                                          for n, r in sizes.items()}) for who, way in WAYS.items()},
        "gloo": lambda _: named(peer("gloo", 4, "exchange.py", *cases_of(sizes))),
        "MPI, TCP": lambda _: named(peer("mpi-tcp", 4, "exchange.py", *cases_of(sizes))),
    }


# ---- training


def digit_overrides(world):
    return {f"data.{key}": world.digits / name for key, name in DIGITS.items()} | {"collaboration.stop": "null"}


def fedavg(world):
    n_rounds = 3 if world.quick else 20
    case = f"{n_rounds} rounds, 10 learners"

    def cohort(way):
        summary, _ = world.run_cohort(DIGITS_FEDAVG,
                                      digit_overrides(world) | {"collaboration.rounds": n_rounds}, *way)
        return {"round": {"seconds": summary["round_seconds"]["median"], "accuracy": summary["final"]["test_accuracy"],
                          "learner_bytes": summary["peak_rss_bytes"]["learner"]}}

    torch = lambda backend: lambda: peer(backend, 10, "fedavg.py", world.digits, n_rounds)
    once = lambda what: lambda _: {case: timed(what)["round"]}
    world.digits  # drawn before anybody's time runs
    cohorts = {who: once(lambda way=way: cohort(way)) for who, way in WAYS.items()}
    return cohorts | {
        "MPI, TCP, PyTorch": once(torch("mpi-tcp")),
            "MPI, shared memory, PyTorch": once(torch("mpi")), "gloo, PyTorch": once(torch("gloo"))}


def descent(world):
    n_samples, n_steps, rate = (2000, 10, 0.5) if world.quick else (200000, 100, 0.5)
    case = f"{n_steps} steps, 4 learners, {n_samples:,} x 100"
    folder = world.descent_data(n_samples, 100)
    file = world.folder / "descent.yaml"
    file.write_text(json.dumps({
        "name": "descent", "seed": 1,
        "model": {"layers": [{"dense": {"units": 1, "init": "zeros"}}], "loss": "mse"},
        "data": {"format": {"kind": "npy", "target": "values"}, "partition": "iid",
                 "train": {"features": str(folder / "features.npy"), "labels": str(folder / "targets.npy")},
                 "test": {"features": str(folder / "test-features.npy"), "labels": str(folder / "test-targets.npy")}},
        "training": {"optimizer": {"kind": "sgd", "learning_rate": rate}, "batch_size": 1024},
        "collaboration": {"algorithm": "gradient_descent", "rounds": n_steps, "learners": 4},
    }), encoding="utf-8")

    def cohort():
        _, rounds = world.run_cohort(file, {})
        return {"steps": {"seconds": sum(row["seconds"] for row in rounds), "loss": rounds[-1]["train_loss"]}}

    numpy = lambda backend: lambda: peer(backend, 4, "descent.py", folder, n_steps, rate)
    once = lambda what: lambda _: {case: timed(what)["steps"]}
    return {"Cohort": once(cohort), "MPI, TCP, numpy": once(numpy("mpi-tcp")),
            "MPI, shared memory, numpy": once(numpy("mpi")), "gloo, numpy": once(numpy("gloo"))}


def codecs(world):
    n_rounds = 3 if world.quick else 30

    @functools.cache
    def trained(up, down, repetition):
        return world.run_cohort(DIGITS_FEDAVG, digit_overrides(world) | {
            "collaboration.rounds": n_rounds, "collaboration.codec": up, "collaboration.downlink": down, "seed": repetition + 1})

    def measure(way, up, down, repetition):
        summary, rounds = trained(up, down, repetition)
        reached = next((row["round"] for row in rounds if row["test_accuracy"] >= world.target), None)
        bytes_up, bytes_down = summary["bytes_up"] / n_rounds, summary["bytes_down"] / n_rounds
        first = 4 * summary["model_parameters"] * 10 if down in WHOLE_FIRST else bytes_down  # the initial model's
        found = {"up_bytes": bytes_up, "down_bytes": bytes_down, "accuracy": rounds[min(20, n_rounds) - 1]["test_accuracy"],
                 "last_accuracy": rounds[-1]["test_accuracy"]}
        if reached:
            came_down = first + (reached - 1) * (summary["bytes_down"] - first) / (n_rounds - 1)
            found |= {"rounds": reached, "seconds": sum(row["seconds"] for row in rounds[:reached]),
                      "bytes_to": (way != "down") * reached * bytes_up + (way != "up") * came_down}
        return {f"{way}, to {world.target:g}": found}

    pairs = [("up", codec, "f32") for codec in CODECS]
    pairs += [("down", "f32", codec) for codec in ["f32", *DOWNLINKS]]
    pairs += [("both ways", up, down) for up in CODECS[:5] for down in [up]]
    pairs += [("both ways", codec, f"{{kind: delta, codec: {codec}}}") for codec in CODECS[5:]]

    def name_of(way, up, down):
        return {"up": up, "down": down}.get(way, up if up == down else f"{up}, down its delta")

    def contestant(name):
        chosen = [pair for pair in pairs if name_of(*pair) == name]
        return lambda repetition: {case: found for pair in chosen for case, found in measure(*pair, repetition).items()}

    return {name: contestant(name) for name in dict.fromkeys(name_of(*pair) for pair in pairs)}


# ---- the pieces, each by a program of its own in bench/


def fold_speeds(text):
    for what, n, float_speed, fixed in re.findall(r"(\w+) +(\d+) values x +\d+ +float +([\d.]+) GB/s +fixed point +([\d.]+)", text):
        case = f"fold, {int(n):,} values, {what}"
        yield (case, "Cohort"), {"speed": float(fixed)}
        yield (case, "float sum"), {"speed": float(float_speed)}


def codec_speeds(text):
    for name, encode, decode in re.findall(r"(\w+) +encode +([\d.]+) GB/s +decode +([\d.]+)", text):
        yield ("encode, as f32", name), {"speed": float(encode)}
        yield ("decode, as f32", name), {"speed": float(decode)}


def call_speeds(text):
    for case, ours, bare, cpu in re.findall(r"(\w+, \d streams?) +([\d.]+) GB/s, bare TCP +([\d.]+) .*CPU ([\d.]+)", text):
        yield (case, "Cohort"), {"speed": float(ours), "cpu": float(cpu)}
        yield (case, "bare TCP"), {"speed": float(bare)}
    p50, p99, calls = re.search(r"p50 (\d+) us, p99 (\d+) us; (\d+) calls", text).groups()
    yield ("unary call", "Cohort"), {"p50": float(p50), "p99": float(p99), "calls": float(calls)}


def micro(world):
    programs = {"fold": ("bench-reduce", fold_speeds), "codecs": ("bench-codecs", codec_speeds), "remote calls": ("bench-rpc", call_speeds)}
    return {name: lambda _, program=program, read=read: dict(read(run([world.build / "bench" / program])))
            for name, (program, read) in programs.items()}


@dataclasses.dataclass
class Part:
    name: str
    title: str
    about: str
    contestants: typing.Callable  # of the world, to {name: function of the repetition}
    metrics: tuple                # what the table shows, of suite_report.METRICS; the plot and the ratio are of the first
    repetitions: int = None       # at most; None: as many as asked for


PARTS = {part.name: part for part in (
    Part("exchange", "Exchange among eight learners",
         "A process each, models of float32, no training. Cohort's processes read each other's memory, as those of one machine do (services.md), "
         "or send everything, as between machines (`--wire`). Cohort, bare TCP (bench/star.c: the same bytes and the same fold, without "
         "protocol, hash or anything that may fail) and Dask are stars; gloo and MPI all-reduce, and have no server, no join or leave, and "
         "no tolerance of faults.", exchange, ("milliseconds", "server_bytes", "models", "learner_bytes")),
    Part("memory", "Memory of a star", "Three rounds; the coordinator's peak is that of its whole process.", memory,
         ("models", "server_bytes", "learner_bytes", "milliseconds"), 1),
    Part("ring", "All-reduce among four", "Cohort's ring, between learners, beside gloo's and MPI's all-reduce.", ring,
         ("milliseconds", "server_bytes", "learner_bytes")),
    Part("fedavg", "Federated averaging", "MLP 784-256-128-10, SGD 0.1, batch 32, one local epoch, a process a learner with one thread; a "
         "round is training and the exchange.", fedavg, ("milliseconds", "total_seconds", "accuracy", "learner_bytes")),
    Part("descent", "Gradient descent of a linear model", "Squared error, all steps together, reading not counted; then from the start of "
         "the first process to the end of the last.", descent, ("seconds", "total_seconds", "loss")),
    Part("codecs", "Codecs", "Federated averaging as above, seeds 1 to the number of repetitions. MB are those of all ten learners in "
         "the direction that is coded; a round's are means over 30, the first model, which some downlinks send whole, among them.", codecs,
         ("bytes_to", "up_bytes", "down_bytes", "rounds", "seconds", "accuracy", "last_accuracy"), 3),
    Part("micro", "The pieces", "bench-reduce (summaries into the fixed-point ring, beside a plain float sum), bench-codecs (4 million values) and "
         "bench-rpc (1 GiB in chunks of 1 MiB, every byte read; unary calls), which `./dev bench reduce` and the like run alone.", micro,
         ("speed", "cpu", "p50", "p99", "calls"), 3),
)}
