#!/usr/bin/python3
"""Another implementation of gRPC speaks to a server of ours: test_reflection.py PROTOC PROTO_ROOT SERVER

Messages are protoc's own Python classes; methods are called by their paths, as there is no generated service code.
What reflection returns must be what protoc says of the same files."""
import pathlib
import subprocess
import sys
import tempfile

try:
    import grpc
    from google.protobuf import descriptor_pb2, descriptor_pool
except ImportError:
    sys.exit(77)  # skipped: python3-grpcio and python3-protobuf are not there


def generate(protoc, root, into):
    files = [str(path.relative_to(root)) for path in sorted(pathlib.Path(root).rglob("*.proto"))]
    described = pathlib.Path(into, "set.binpb")
    subprocess.run(
        [protoc, f"-I{root}", f"--python_out={into}", f"--descriptor_set_out={described}", *files], check=True
    )
    sys.path.insert(0, str(into))
    grpc.__path__.append(str(pathlib.Path(into, "grpc")))  # grpc.health and grpc.reflection stand beside grpcio
    return descriptor_pb2.FileDescriptorSet.FromString(described.read_bytes())


def unary(channel, path, request, answer, **options):
    call = channel.unary_unary(path, type(request).SerializeToString, answer.FromString)
    return call(request, timeout=10, **options)


def refused(code, action):
    try:
        action()
    except grpc.RpcError as error:
        assert error.code() == code, error
        return error.details()
    raise AssertionError(f"{code} was expected")


def check_health(channel):
    from grpc.health.v1 import health_pb2 as health

    path = "/grpc.health.v1.Health/Check"
    for service in "", "cohort.v1.Exchange":
        request = health.HealthCheckRequest(service=service)
        assert unary(channel, path, request, health.HealthCheckResponse).status == health.HealthCheckResponse.SERVING
    unknown = health.HealthCheckRequest(service="nonsense")
    refused(grpc.StatusCode.NOT_FOUND, lambda: unary(channel, path, unknown, health.HealthCheckResponse))
    watch = channel.unary_stream(
        "/grpc.health.v1.Health/Watch",
        health.HealthCheckRequest.SerializeToString,
        health.HealthCheckResponse.FromString,
    )(health.HealthCheckRequest(), timeout=10)
    assert next(watch).status == health.HealthCheckResponse.SERVING
    watch.cancel()


def check_reflection(channel, module, package, described):
    def ask(**what):
        return next(answers(iter([module.ServerReflectionRequest(host="h", **what)]), timeout=10))

    answers = channel.stream_stream(
        f"/{package}.ServerReflection/ServerReflectionInfo",
        module.ServerReflectionRequest.SerializeToString,
        module.ServerReflectionResponse.FromString,
    )
    services = [service.name for service in ask(list_services="").list_services_response.service]
    assert "cohort.v1.Exchange" in services and "grpc.health.v1.Health" in services, services
    expected = {file.name: file for file in described.file}
    for service in services:
        pool = descriptor_pool.DescriptorPool()
        answer = ask(file_containing_symbol=service)
        assert answer.valid_host == "h" and answer.original_request.file_containing_symbol == service
        files = map(
            descriptor_pb2.FileDescriptorProto.FromString, answer.file_descriptor_response.file_descriptor_proto
        )
        for file in sorted(files, key=lambda file: list(expected).index(file.name)):
            assert file == expected[file.name], file.name
            pool.Add(file)
        assert pool.FindServiceByName(service).methods
    for name in expected:
        assert ask(file_by_filename=name).file_descriptor_response.file_descriptor_proto
    missing = ask(file_containing_symbol="cohort.v1.Nonsense").error_response
    assert missing.error_code == grpc.StatusCode.NOT_FOUND.value[0] and "Nonsense" in missing.error_message
    assert ask(file_by_filename="nonsense.proto").HasField("error_response")


def check_calls(channel):
    from cohort.v1 import exchange_pb2 as exchange

    offer = "/cohort.v1.Exchange/OfferSummary"
    request = exchange.OfferSummaryRequest(header=exchange.SummaryHeader(bytes=2**40))
    assert unary(channel, offer, request, exchange.OfferSummaryResponse).offset == 2**40
    request.header.learner = "fail"
    words = refused(grpc.StatusCode.NOT_FOUND, lambda: unary(channel, offer, request, exchange.OfferSummaryResponse))
    assert words == "no learner 'fail' hier: 100% unmöglich", words
    refused(
        grpc.StatusCode.UNIMPLEMENTED,
        lambda: unary(channel, "/cohort.v1.Exchange/Nonsense", request, exchange.OfferSummaryResponse),
    )
    data = bytes(range(256)) * 4096
    upload = channel.stream_unary(
        "/cohort.v1.Exchange/SubmitSummary",
        exchange.SubmitSummaryRequest.SerializeToString,
        exchange.SubmitSummaryResponse.FromString,
    )
    chunks = (exchange.SubmitSummaryRequest(offset=i << 20, data=data) for i in range(16))
    answer = upload(chunks, timeout=20, compression=grpc.Compression.NoCompression)
    assert answer.accepted and answer.message == f"{16 << 20} {16 * sum(data)}", answer
    fetch = channel.unary_stream(
        "/cohort.v1.Exchange/FetchModel",
        exchange.FetchModelRequest.SerializeToString,
        exchange.FetchModelResponse.FromString,
    )
    offset = 0
    for chunk in fetch(exchange.FetchModelRequest(model_round=8), timeout=20):
        assert chunk.offset == offset and chunk.data[:3] == bytes([0, 7, 14])
        offset += len(chunk.data)
    assert offset == 8 << 20


def main(protoc, root, server):
    with tempfile.TemporaryDirectory() as folder:
        described = generate(protoc, root, folder)
        from grpc.reflection.v1 import reflection_pb2 as v1
        from grpc.reflection.v1alpha import reflection_pb2 as v1alpha

        with subprocess.Popen([server], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            address = process.stdout.readline().strip()
            with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
                check_health(channel)
                check_reflection(channel, v1, "grpc.reflection.v1", described)
                check_reflection(channel, v1alpha, "grpc.reflection.v1alpha", described)
                check_calls(channel)
            process.stdin.close()
            assert process.wait(20) == 0


main(*sys.argv[1:])
