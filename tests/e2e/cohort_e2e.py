"""What the end-to-end tests share: programs and their processes, tiny datasets, experiments, a client made from
protos/ alone, and TAP output.

A test file ends with `main(globals())`: every function `it_...` is a test of its own, called with a World whose folder
and processes are gone afterwards. Its arguments are PROGRAMS PROTOC PROTO_ROOT: a folder, a program, a folder."""
import contextlib
import copy
import ctypes
import functools
import hashlib
import json
import os
import pathlib
import queue
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import uuid

try:
    import google.protobuf.message_factory  # noqa: F401
    import grpc
    import numpy
except ImportError:
    print("1..0 # SKIP python3-grpcio, python3-protobuf and python3-numpy are needed")
    sys.exit(0)

PROGRAMS, PROTOC, PROTO_ROOT = (pathlib.Path(argument).absolute() for argument in sys.argv[1:4])
# What AddressSanitizer or ThreadSanitizer is in takes several times as long, and keeps much of what is freed.
SANITIZED = any(word in (PROGRAMS / "cohort").read_bytes() for word in (b"__asan_init", b"__tsan_init"))
TIMEOUT = 600 if SANITIZED else 120  # seconds after which something hangs; nothing is timed


def memory_can_be_read():
    """Whether the system lets processes of one user read each other: not in every container."""
    place = ctypes.create_string_buffer(b"x")
    vector = (ctypes.c_void_p * 2)(ctypes.addressof(place), 1)
    try:
        os.close(os.pidfd_open(os.getpid()))
        return ctypes.CDLL(None).process_vm_readv(os.getpid(), vector, 1, vector, 1, 0) == 1
    except (OSError, AttributeError):
        return False


# ---- the client, from protos/ alone


@functools.lru_cache(maxsize=None)
def protos():
    """The modules that protoc makes of every proto, by their names: protos()["coordinator"]."""
    folder = tempfile.mkdtemp(prefix="cohort-protos-")
    files = sorted(str(path.relative_to(PROTO_ROOT)) for path in PROTO_ROOT.rglob("*.proto"))
    subprocess.run([PROTOC, f"-I{PROTO_ROOT}", f"--python_out={folder}", *files], check=True)
    sys.path.insert(0, folder)
    grpc.__path__.append(os.path.join(folder, "grpc"))  # grpc.health and grpc.reflection stand beside grpcio
    from cohort.v1 import coordinator_pb2, exchange_pb2, learner_pb2, types_pb2
    from grpc.health.v1 import health_pb2
    from grpc.reflection.v1 import reflection_pb2

    subprocess.run(["rm", "-r", folder], check=True)
    return {
        "coordinator": coordinator_pb2,
        "exchange": exchange_pb2,
        "learner": learner_pb2,
        "types": types_pb2,
        "health": health_pb2,
        "reflection": reflection_pb2,
    }


def message(name, **fields):
    """A message of package cohort.v1 by its name."""
    for module in protos().values():
        if hasattr(module, name):
            return getattr(module, name)(**fields)
    raise KeyError(name)


def enum_name(enum, value):
    """'READY' for ("LearnerState", 3)."""
    kind = getattr(protos()["types"], enum, None) or getattr(protos()["coordinator"], enum)
    words = "".join("_" + letter if letter.isupper() else letter for letter in enum).upper()[1:]
    return kind.Name(value)[len(words) + 1 :]


class Stub:
    """A service's methods as functions of the request's fields, or of a message or an iterator of messages."""

    def __init__(self, channel, module, service):
        described = protos()[module].DESCRIPTOR.services_by_name[service]
        streams = {method.name: method for method in self._methods(protos()[module], service)}
        for method in described.methods:
            row = streams[method.name]
            kind = f"{'stream' if row.client_streaming else 'unary'}_{'stream' if row.server_streaming else 'unary'}"
            call = getattr(channel, kind)(
                f"/{described.full_name}/{method.name}",
                request_serializer=lambda request: request if isinstance(request, bytes) else request.SerializeToString(),
                response_deserializer=method.output_type._concrete_class.FromString,
            )
            setattr(self, method.name, self._wrap(call, method.input_type._concrete_class))

    @staticmethod
    def _methods(module, service):
        from google.protobuf import descriptor_pb2

        file = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        return next(row for row in file.service if row.name == service).method

    @staticmethod
    def _wrap(call, kind):
        def method(request=None, **fields):
            return call(kind(**fields) if request is None else request, timeout=TIMEOUT)

        return method


def refused(code, call):
    """Calls; the call must fail with the code of that name. Returns what it says."""
    try:
        answer = call()
        if isinstance(answer, grpc.RpcContext):
            list(answer)
    except grpc.RpcError as error:
        assert error.code().name == code, f"{code} was expected, not {error.code().name}: {error.details()}"
        assert error.details(), "nothing says why"
        return error.details()
    raise AssertionError(f"{code} was expected, not {answer}")


# ---- a learner that a test plays


class Attendance:
    """The control stream of a learner that this test plays."""

    def __init__(self, world, coordinator, name, incarnation=1, exchange=None, **join):
        self.exchange = exchange or world.stub(coordinator, "exchange")
        self.name, self.incarnation = name, incarnation
        self.requests = queue.SimpleQueue()
        self.answers = self.exchange.Attend(iter(self.requests.get, None))
        world.stack.callback(self.end)
        self.say(join={"learner": name, "incarnation": incarnation, "protocol_version": 1, **join})

    def say(self, **event):
        self.requests.put(message("AttendRequest", **event))

    def hear(self, kind):
        for answer in self.answers:
            if answer.WhichOneof("event") == kind:
                return getattr(answer, kind)
        raise AssertionError(f"the stream ended before '{kind}'")

    def end(self):
        self.requests.put(None)
        self.answers.cancel()

    def become_ready(self, shape=(6,), n_outputs=3, n_samples=10):
        self.experiment_id = self.hear("enrol").experiment_id
        data = {"sample_shape": shape, "n_outputs": n_outputs, "n_samples": n_samples}
        self.say(ready={"experiment_id": self.experiment_id, "data": data})

    def model(self, assignment):
        fetch = self.exchange.FetchModel(
            experiment_id=self.experiment_id, model_round=assignment.model_round, learner=self.name
        )
        header = next(fetch).header
        content = b"".join(chunk.data for chunk in fetch)
        assert len(content) == header.bytes
        return numpy.frombuffer(content, "<f4").copy()

    def header(self, assignment, n, **changes):
        fields = {
            "experiment_id": self.experiment_id,
            "round": assignment.round,
            "learner": self.name,
            "incarnation": self.incarnation,
            "attempt": assignment.attempt,
            "codec": "f32",
            "bytes": 4 * n,
            "n_values": n,
            "weight": 10,
        }
        return {**fields, **changes}

    def submit(self, header, *chunks):
        """Chunks are (offset, bytes)."""
        messages = [message("SubmitSummaryRequest", header=header)] if header else []
        messages += [message("SubmitSummaryRequest", offset=offset, data=data) for offset, data in chunks]
        return self.exchange.SubmitSummary(iter(messages))


def reason(answer):
    assert not answer.accepted and answer.message, answer
    return protos()["types"].Reason.Name(answer.reason).removeprefix("REASON_")


# ---- processes


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def wait_for_end(pid_or_fd, seconds=TIMEOUT):
    """Waits for the process (or pidfd) to end, not for a time."""
    try:
        fd = os.pidfd_open(pid_or_fd) if isinstance(pid_or_fd, int) else pid_or_fd.fileno()
    except ProcessLookupError:
        return
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    assert poll.poll(seconds * 1000), f"process {pid_or_fd} goes on"
    os.close(fd)


class Service:
    """A cohort-coordinator or cohort-learner of the test's own, started and announced."""

    def __init__(self, world, program, *settings, config=None, environment=None, announced=True, prefix=()):
        self.log = world.folder / f"{program}-{len(world.services)}.log"
        world.services.append(self)
        read, write = os.pipe()
        arguments = [*prefix, PROGRAMS / program] + ([f"--announce-fd={write}"] if announced else [])
        for setting in settings:
            arguments += ["--set", setting]
        if config:
            arguments += ["--config", config]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                arguments,
                env={**world.environment, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[write],
                cwd=world.folder,
            )
        os.close(write)
        with open(read, encoding="utf-8") as pipe:
            self.address = pipe.readline().strip() if announced else None
        assert not announced or self.address, f"{program} did not start: {self.words()}"

    def words(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    def records(self):
        """What it logged, line by line."""
        return [json.loads(line) for line in self.words().splitlines() if line.startswith("{")]

    def wait_for_record(self, text):
        """Waits until a record's message is `text`; the file is the only sign of it."""
        until = time.monotonic() + TIMEOUT
        while time.monotonic() < until:
            for record in self.records():
                if record["message"] == text:
                    return record
            assert self.process.poll() is None, f"it ended: {self.words()}"
            time.sleep(0.005)
        raise AssertionError(f"'{text}' was never logged: {self.words()}")

    def kill(self):
        self.process.kill()
        self.process.wait(TIMEOUT)

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(TIMEOUT)


def sanitizer_words(folder):
    """What sanitizers, where programs are built with them, wrote into any log."""
    words = ""
    for log in pathlib.Path(folder).rglob("*.log"):
        text = log.read_text(encoding="utf-8", errors="replace")
        if "Sanitizer" in text or "runtime error:" in text:
            words += f"{log}:\n{text[-8000:]}"
    return words


class World:
    """One test's folder, processes and channels."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.mark = uuid.uuid4().hex
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("COHORT_")}
        self.environment["END_TO_END_MARK"] = self.mark
        self.environment["OMP_NUM_THREADS"] = "1"
        self.services = []
        self.stack = contextlib.ExitStack()

    def stop_services(self):
        """Those that still run must end well when told to."""
        running = [service for service in self.services if service.process.poll() is None]
        for service in running:
            service.process.send_signal(signal.SIGTERM)
        for service in running:
            code = service.process.wait(TIMEOUT)
            assert code in (0, -signal.SIGTERM), f"exit code {code}: {service.words()}"

    def close(self):
        self.stack.close()
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for service in self.services:
            service.process.wait(TIMEOUT)

    def processes(self):
        """All that this test started and that still run, however far down."""
        found = []
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if f"END_TO_END_MARK={self.mark}".encode() in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
        return found

    def start(self, *arguments, **options):
        """Starts `cohort ARGUMENT...`."""
        return subprocess.Popen(
            [PROGRAMS / "cohort", *map(str, arguments)],
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def cohort(self, *arguments):
        """Runs `cohort ARGUMENT...` to its end: (exit code, standard output, standard error)."""
        expect_progress()
        process = self.start(*arguments)
        out, err = process.communicate(timeout=TIMEOUT)
        assert "Sanitizer" not in err and "runtime error:" not in err, err
        return process.returncode, out, err

    def run(self, experiment, *arguments, out="out"):
        """`cohort run` to a good end; the Run."""
        path = self.write(f"{out}.yaml", experiment)
        code, printed, err = self.cohort("run", path, "--out", out, *arguments)
        logs = "".join(log.read_text(errors="replace") for log in self.folder.glob(f"{out}*/logs/*"))
        assert code == 0, f"exit code {code}\n{printed}{err}{logs}"
        return Run(self.folder / out)

    def write(self, name, experiment):
        path = self.folder / name
        text = experiment if isinstance(experiment, str) else to_yaml(experiment)
        path.write_text(text, encoding="utf-8")
        return path

    def coordinator(self, *settings, **options):
        return Service(self, "cohort-coordinator", 'listen=["127.0.0.1:0"]', "drain=0s", *settings, **options)

    def learner(self, coordinator, name, *settings, **options):
        """A learner on the experiment's data, which it reads as those under `cohort run` do."""
        address = coordinator if isinstance(coordinator, str) else coordinator.address
        options.setdefault("announced", True)
        return Service(
            self,
            "cohort-learner",
            f"coordinator={address}",
            f"name={name}",
            "use_experiment_data=true",
            "retry_most=100ms",
            *settings,
            **options,
        )

    def stub(self, address, module="coordinator", service=None):
        address = address if isinstance(address, str) else address.address
        options = [("grpc.enable_http_proxy", 0), ("grpc.max_receive_message_length", -1)]
        options.append(("grpc.use_local_subchannel_pool", 1))  # a server may take the place of one that was killed
        options += [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 100)]
        options.append(("grpc.min_reconnect_backoff_ms", 10000))  # how long an attempt may take
        channel = self.stack.enter_context(grpc.insecure_channel(address, options=options))
        return Stub(channel, module, service or module.capitalize())


class Run:
    """The files of a run."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.summary = json.loads((self.folder / "summary.json").read_text(encoding="utf-8"))

    @property
    def hash(self):
        return self.summary["model_sha256"]

    def metrics(self, kind):
        lines = (self.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        return [row for row in map(json.loads, lines) if row["type"] == kind]

    def model(self):
        return read_safetensors(self.folder / "model.safetensors")


def read_safetensors(path):
    """{name: array}, checked: every byte belongs to one tensor."""
    content = pathlib.Path(path).read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    assert header.pop("__metadata__") == {"format": "pt"}
    values, at, tensors = content[8 + size :], 0, {}
    for name, row in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        first, end = row["data_offsets"]
        assert first == at and row["dtype"] == "F32", (name, row)
        tensors[name] = numpy.frombuffer(values[first:end], "<f4").reshape(row["shape"])
        at = end
    assert at == len(values)
    return tensors


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


# ---- data and experiments


def save_classes(folder, name, n=240, width=6, classes=3, seed=1):
    """NAME-x.npy [n, width] and NAME-y.npy [n]: classes about centres of their own. Returns both arrays."""
    random = numpy.random.default_rng(seed)
    centres = numpy.random.default_rng(99).normal(size=(classes, width))
    labels = random.integers(0, classes, n)
    labels[:classes] = numpy.arange(classes)
    features = (centres[labels] + random.normal(size=(n, width))).astype("float32")
    numpy.save(pathlib.Path(folder, f"{name}-x.npy"), features)
    numpy.save(pathlib.Path(folder, f"{name}-y.npy"), labels.astype("int64"))
    return features, labels


def to_yaml(experiment):
    """JSON is YAML, but that durations stand without quotes."""
    return re.sub(r'"(\d+(ms|s|m|h))"', r"\1", json.dumps(experiment))


def merged(base, changes):
    """`base` with `changes`, dictionaries merged all the way down; None takes a key away."""
    result = copy.deepcopy(base)
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        elif value is None:
            result.pop(key, None)
        else:
            result[key] = value
    return result


def classes_experiment(folder, **changes):
    """A classification that takes milliseconds, its data written to `folder`."""
    save_classes(folder, "train")
    save_classes(folder, "test", n=60, seed=2)
    base = {
        "name": "tiny",
        "seed": 7,
        "model": {
            "layers": [{"dense": {"units": 8, "activation": "relu"}}, {"dense": {"units": 3}}],
            "loss": "cross_entropy",
        },
        "data": {
            "format": "npy",
            "train": {"features": f"{folder}/train-x.npy", "labels": f"{folder}/train-y.npy"},
            "test": {"features": f"{folder}/test-x.npy", "labels": f"{folder}/test-y.npy"},
        },
        "training": {"optimizer": {"kind": "sgd", "learning_rate": 0.1}, "batch_size": 16},
        "collaboration": {"algorithm": "fedavg", "rounds": 3, "learners": 4},
    }
    return merged(base, changes)


# ---- TAP


def hangs(*_):
    raise TimeoutError("the test hangs")


def expect_progress():
    """The test hangs when this is not called again, or it has ended, within so long."""
    signal.alarm(2 * TIMEOUT)


class Skipped(Exception):
    """What a test cannot do here, and why."""


def run_test(test):
    """Whether it is good; a Skipped where it cannot be tried."""
    with tempfile.TemporaryDirectory(prefix="cohort-e2e-") as folder:
        world = World(folder)
        expect_progress()
        try:
            test(world)
            world.stop_services()
            assert not sanitizer_words(folder), sanitizer_words(folder)
            return True
        except Skipped as reason:
            return reason
        except Exception:  # noqa: BLE001: any failure is this test's, the others go on
            words = traceback.format_exc(chain=False)
            for service in world.services:
                words += f"{service.log.name}:\n" + "".join(service.words().splitlines(True)[-20:])
            print("".join(f"# {line}\n" for line in words.splitlines()), end="")
            return False
        finally:
            signal.alarm(0)
            world.close()


def main(names):
    """Runs every `it_...` of a test file, or those whose names hold one of the words after the three arguments."""
    words = sys.argv[4:]
    tests = [
        (name, test)
        for name, test in names.items()
        if name.startswith("it_") and (not words or any(word in name for word in words))
    ]
    signal.signal(signal.SIGALRM, hangs)
    print(f"1..{len(tests)}", flush=True)
    failed = 0
    for number, (name, test) in enumerate(tests, 1):
        started = time.monotonic()
        good = run_test(test)
        failed += not good
        took = f"SKIP {good}" if isinstance(good, Skipped) else f"{time.monotonic() - started:.2f} s"
        print(f"{'' if good else 'not '}ok {number} - {name.replace('_', ' ')} # {took}", flush=True)
    sys.exit(failed > 0)
