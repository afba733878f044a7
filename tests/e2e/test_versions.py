#!/usr/bin/python3
"""Releases one minor apart work together: what a newer side says more than this one knows is passed over."""
import concurrent.futures

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


class Between(grpc.GenericRpcHandler):
    """Passes calls on to a coordinator, and makes its answers those of a newer one."""

    RESPONSES = {"Attend": "AttendResponse", "FetchModel": "FetchModelResponse", "OfferSummary": "OfferSummaryResponse", "SubmitSummary": "SubmitSummaryResponse"}

    def __init__(self, channel):
        self.channel, self.n_answers = channel, {}

    def newer(self, method, content):
        self.n_answers[method] = self.n_answers.get(method, 0) + 1
        if method == "FetchModel":  # its bytes come last
            return NEWER_FIELDS + content
        kind = type(message(self.RESPONSES[method]))
        return newer(kind.FromString(content)).SerializeToString()

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


def it_takes_a_newer_coordinator(world):
    coordinator = world.coordinator("read_data=true")
    with grpc.insecure_channel(coordinator.address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        between = Between(channel)
        server = grpc.server(concurrent.futures.ThreadPoolExecutor(32), [between])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        world.stack.callback(lambda: server.stop(None).wait())
        for i in range(2):
            world.learner(f"127.0.0.1:{port}", f"learner-{i}")
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


main(globals())
