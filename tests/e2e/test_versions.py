#!/usr/bin/python3
"""Releases one minor apart work together: what a newer side says more than this one knows is passed over, unless it has to be obeyed."""
import concurrent.futures
import contextlib

import grpc
from cohort_e2e import Attendance, classes_experiment, main, message, protos, to_yaml

NEWER_FIELDS = b"\xa0\x3f\x01\xaa\x3f\x03new\xb1\x3f12345678"  # 1012: a number, 1013: a text, 1014: a fixed64
NEWER_EVENT = b"\xaa\x3f\x04\x08\x01\x10\x02"  # nothing but a field 1013, as an event that is not known yet has


def newer(it):
    """The message with fields that nobody knows, in it and in every message of it."""
    for field, value in it.ListFields():
        if field.message_type:
            for part in value if field.label == field.LABEL_REPEATED else [value]:
                newer(part)
    it.MergeFromString(NEWER_FIELDS)
    return it


class NewerLearner(Attendance):
    def say(self, **event):
        self.requests.put(NEWER_EVENT)
        self.requests.put(newer(message("AttendRequest", **event)))

    def submit(self, header, *chunks):
        messages = [newer(message("SubmitSummaryRequest", header=header))]
        messages += [NEWER_FIELDS + message("SubmitSummaryRequest", offset=offset, data=data).SerializeToString() for offset, data in chunks]
        return self.exchange.SubmitSummary(iter(messages))


def it_takes_a_newer_learner(world):
    coordinator = world.coordinator()
    users = world.stub(coordinator)
    text = to_yaml(classes_experiment(world.folder, collaboration={"learners": 1, "rounds": 1}))
    experiment_id = users.CreateExperiment(newer(message("CreateExperimentRequest", yaml=text))).experiment.id
    eve = NewerLearner(world, coordinator, "eve", version="0.2.0")
    eve.become_ready()
    assignment = eve.hear("assignment")
    content = eve.model(assignment).tobytes()
    answer = eve.submit(eve.header(assignment, len(content) // 4), (0, content))
    assert answer.accepted, answer
    states = [it.state_changed.state for it in users.WatchExperiment(experiment_id=experiment_id) if it.WhichOneof("event") == "state_changed"]
    assert states[-1] == protos()["types"].ExperimentState.Value("EXPERIMENT_STATE_COMPLETED"), states


NEWER_RELEASE = "9.0.0"
OBEYED = "unknown key 'newer_option'"
UPDATE = f"Cohort {NEWER_RELEASE} resolved the experiment and this is Cohort "


def with_newer_options(text):
    """Of a resolved experiment: with a section, an option and an option of a kind that only a newer release knows."""
    for before, more in (("collaboration:", "  newer_option: 3"), ("  optimizer:", "    newer_rate: 0.5"), ("name:", "newer_section: {a: [1, 2]}")):
        line = next(it for it in text.split("\n") if it.startswith(before))
        text = text.replace(line, f"{more}\n{line}" if before == "name:" else f"{line}\n{more}", 1)
    return text


NEWER_DEFAULTS = ["newer_section", "training.optimizer.newer_rate", "collaboration.newer_option"]


def resolved(*used):
    """What a newer release says of these texts, in an experiment that makes use of the options `used`."""
    return {"version": NEWER_RELEASE, "defaults": "".join(f"{it}\n" for it in NEWER_DEFAULTS if it not in used)}


def resolved_here(world, experiment):
    code, text, err = world.cohort("validate", world.write("plain.yaml", experiment))
    assert code == 0, err
    return text


def it_takes_a_newer_user(world):
    users = world.stub(world.coordinator())
    text = resolved_here(world, classes_experiment(world.folder))
    plain = users.CreateExperiment(yaml=text)
    answer = users.CreateExperiment(yaml=with_newer_options(text), resolved=resolved())
    assert answer.resolved_yaml == plain.resolved_yaml, answer.resolved_yaml


def it_refuses_a_newer_user_whose_options_it_does_not_know(world):
    users = world.stub(world.coordinator())
    text = with_newer_options(resolved_here(world, classes_experiment(world.folder)))
    for details, wanted in ((resolved("collaboration.newer_option"), [OBEYED, UPDATE]), ({}, ["unknown key 'newer_section'"])):
        try:
            users.CreateExperiment(yaml=text, resolved=details)
            raise AssertionError("taken")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error
            assert all(it in error.details() for it in wanted), error.details()
            assert details or UPDATE not in error.details()


class Between(grpc.GenericRpcHandler):
    """Passes calls on to a coordinator, and makes its answers those of a newer one, whose experiments use the options `used`."""

    RESPONSES = {"Attend": "AttendResponse", "FetchModel": "FetchModelResponse", "OfferSummary": "OfferSummaryResponse", "SubmitSummary": "SubmitSummaryResponse"}

    def __init__(self, channel, *used):
        self.channel, self.used, self.n_answers = channel, used, {}

    def newer(self, method, content):
        self.n_answers[method] = self.n_answers.get(method, 0) + 1
        if method == "FetchModel":  # its bytes come last
            return NEWER_FIELDS + content
        kind = type(message(self.RESPONSES[method]))
        answer = newer(kind.FromString(content))
        if method == "Attend" and answer.WhichOneof("event") == "enrol":
            answer.enrol.yaml = with_newer_options(answer.enrol.yaml)
            answer.enrol.resolved.MergeFrom(message("Resolved", **resolved(*self.used)))
            answer.enrol.resolved.defaults = resolved(*self.used)["defaults"] + answer.enrol.resolved.defaults
        return answer.SerializeToString()

    def service(self, details):
        method = details.method.rpartition("/")[2]
        call = self.channel.stream_stream(details.method)

        def handle(requests, context):
            onward = call(requests)
            context.add_callback(onward.cancel)
            try:
                for content in onward:
                    if method == "Attend":
                        yield NEWER_EVENT
                    yield self.newer(method, content)
            except grpc.RpcError as error:
                context.abort(error.code(), error.details())

        return grpc.stream_stream_rpc_method_handler(handle)


@contextlib.contextmanager
def newer_coordinator(world, coordinator, *used):
    """The address at which it seems to be of a newer release, and who stands between."""
    with grpc.insecure_channel(coordinator.address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        between = Between(channel, *used)
        server = grpc.server(concurrent.futures.ThreadPoolExecutor(32), [between])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}", between
        finally:
            server.stop(None).wait()


def it_takes_a_newer_coordinator(world):
    coordinator = world.coordinator("read_data=true")
    with newer_coordinator(world, coordinator) as (address, between):
        for i in range(2):
            world.learner(address, f"learner-{i}")
        experiment = classes_experiment(world.folder, collaboration={"learners": 2})
        experiment["model"]["layers"][0]["dense"]["units"] = 4000  # too large for the control stream
        path = world.write("wide.yaml", experiment)
        world.environment["COHORT_COORDINATOR"] = coordinator.address
        code, out, err = world.cohort("submit", path, "--watch")
        assert code == 0, (out, err)
        code, printed, err = world.cohort("model", "download", "--out", "model.safetensors")
        assert code == 0, err
        assert {"Attend", "FetchModel", "SubmitSummary"} <= set(between.n_answers), between.n_answers
        assert printed.split()[0] == world.run(experiment).hash


def it_has_a_learner_decline_what_it_would_have_to_obey(world):
    coordinator = world.coordinator("read_data=true")
    users = world.stub(coordinator)
    with newer_coordinator(world, coordinator, "collaboration.newer_option") as (address, _):
        world.learner(address, "learner-0")
        text = to_yaml(classes_experiment(world.folder, collaboration={"learners": 1}))
        made = users.CreateExperiment(yaml=text).experiment.id
        declined = next(it.learner_changed.message for it in users.WatchExperiment(experiment_id=made) if it.learner_changed.message)
        assert OBEYED in declined and UPDATE in declined, declined


main(globals())
