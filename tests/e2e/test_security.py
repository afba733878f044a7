"""Who may call what: every RPC is tried with every identity that must not get in, on real servers with TLS; the table
that comes of it stands in docs/security.md, and must be what stands there (COHORT_WRITE_DOCS=1 writes it)."""
import os
import subprocess
import time

from cohort_e2e import PROGRAMS, PROTO_ROOT, Stub, grpc, main, message, protos
from secured import audit, channel, make, prepare, secured, tls, token

DOCS = PROTO_ROOT.parent / "docs" / "security.md"
BEGIN, END = "<!-- made by tests/e2e/test_security.py -->", "<!-- end -->"


def methods():
    """(path, client streams, server streams, request class) of everything that is served."""
    from google.protobuf import descriptor_pb2

    for module in protos().values():
        file = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        for service in file.service:
            described = module.DESCRIPTOR.services_by_name[service.name]
            for row, method in zip(service.method, described.methods):
                path = f"/{described.full_name}/{method.name}"
                yield path, row.client_streaming, row.server_streaming, method.input_type._concrete_class


def attempt(connection, row, request=None, metadata=None, to_the_end=False):
    """The code's name that the call ends with."""
    path, up, down, kind = row
    name = f"{'stream' if up else 'unary'}_{'stream' if down else 'unary'}"
    call = getattr(connection, name)(path, lambda one: one.SerializeToString(), lambda data: data)
    request = kind() if request is None else request
    try:
        answer = call(iter([request]) if up else request, timeout=20, metadata=metadata)
        if down and to_the_end:
            list(answer)
        elif down:
            next(iter(answer), None)
            answer.cancel()
        return "OK"
    except grpc.RpcError as error:
        return error.code().name


def foreign(row):
    """A request in the name of site-b; None where a request has no learner's name."""
    path, header = row[0].rsplit("/", 1)[1], {"learner": "site-b", "experiment_id": "x"}
    if not row[0].startswith(("/cohort.v1.Exchange/", "/cohort.v1.Learner/Ex")):
        return None
    if path == "Attend":
        return message("AttendRequest", join={"learner": "site-b", "incarnation": 1, "protocol_version": 1})
    if path == "FetchModel":
        return message("FetchModelRequest", experiment_id="x", learner="site-b")
    return row[3](header=header)


def outsider_role(row):
    """Who must not call it: a learner what users call, a user what learners call."""
    if row[0].startswith(("/cohort.v1.Exchange/", "/cohort.v1.Learner/Ex")):
        return "alice"
    if row[0].startswith("/cohort.v1.Learner/GetModel"):
        return "eve"
    return None if row[0].startswith("/grpc.health") else "site-a"


def try_one(world, address, row, revoked, log):
    """The row of the table: a refusal for each of the intruders."""
    role, request = outsider_role(row), foreign(row)
    attempts = [
        (channel(world, address), None, None),
        (channel(world, address, "stranger", "others"), None, None),
        (channel(world, address, "late"), None, None),
        (channel(world, address), None, [("authorization", f"Bearer {revoked}")]),
        (channel(world, address, role), None, None) if role else None,
        (channel(world, address, "site-a"), request, None) if request is not None else None,
    ]
    cells = []
    for one in attempts:
        if one is None:
            cells.append("—")
            continue
        before = len(audit(world, log))
        code = attempt(one[0], row, one[1], one[2], to_the_end=True)
        lines = [line for line in audit(world, log)[before:] if not line["allowed"]]
        assert code in ("UNAUTHENTICATED", "PERMISSION_DENIED"), f"{row[0]} {len(cells)}: {code}"
        assert lines and lines[-1]["method"] == row[0] and lines[-1]["status"] == code and lines[-1]["reason"], lines
        cells.append(code)
    return cells


def it_refuses_every_call_of_those_who_may_not_make_it(world):
    prepare(world)
    revoked = token(world, "--role", "user", "--name", "bob")
    world.cohort("token", "revoke", revoked.split(".")[1], "--file", "tokens")
    coordinator = secured(world)
    world.learner(
        coordinator, "site-a", "listen=127.0.0.1:0", *tls("certs", "site-a"), "tokens=tokens", "audit=learner.jsonl"
    )
    learner = world.services[-1].wait_for_record("listening")
    addresses = {"learner": f"127.0.0.1:{learner['port']}", "coordinator": coordinator.address}
    head = ["method", "no certificate", "wrong authority", "expired", "revoked token", "wrong role", "another's name"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    rows = sorted(methods())
    assert len(rows) >= 23, rows
    for row in rows:
        at = "learner" if row[0].startswith("/cohort.v1.Learner/") else "coordinator"
        log = "learner.jsonl" if at == "learner" else "audit.jsonl"
        cells = try_one(world, addresses[at], row, revoked, log)
        lines.append("| " + " | ".join([f"`{row[0]}`", *cells]) + " |")
    table = "\n".join(lines)
    text = DOCS.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    made = f"{before}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}"
    if os.environ.get("COHORT_WRITE_DOCS"):
        DOCS.write_text(made, encoding="utf-8")
    assert DOCS.read_text(encoding="utf-8") == made, "docs/security.md has another table; COHORT_WRITE_DOCS=1 writes it"


def it_lets_those_in_who_may(world):
    prepare(world)
    coordinator = secured(world)
    rows = {row[0]: row for row in methods()}
    listing = rows["/cohort.v1.Coordinator/ListExperiments"]
    assert attempt(channel(world, coordinator.address, "alice"), listing) == "OK"
    assert attempt(channel(world, coordinator.address, "eve"), listing) == "OK"
    create = rows["/cohort.v1.Coordinator/CreateExperiment"]
    assert attempt(channel(world, coordinator.address, "eve"), create) == "PERMISSION_DENIED"
    assert attempt(channel(world, coordinator.address, "alice"), create) == "INVALID_ARGUMENT"
    good = token(world, "--role", "reader", "--name", "bob", "--expires", "1h")
    shown = [("authorization", f"Bearer {good}")]
    connection = channel(world, coordinator.address)
    assert attempt(connection, listing, metadata=shown) == "OK"
    allowed = [line for line in audit(world) if line["allowed"]]
    assert allowed[-1]["name"] == "bob" and allowed[-1]["role"] == "reader", allowed[-1]
    assert good.split(".")[2] not in (world.folder / "tokens").read_text()
    world.cohort("token", "revoke", good.split(".")[1], "--file", "tokens")
    assert attempt(connection, listing, metadata=shown) == "UNAUTHENTICATED", "a revoked token works on"


def it_answers_probes_that_show_a_certificate(world):
    prepare(world)
    coordinator = secured(world)
    options = ["--tls-ca", "certs/ca.crt", "--tls-cert", "certs/site-a.crt", "--tls-key", "certs/site-a.key"]
    code, out, err = world.cohort("health", coordinator.address, *options)
    assert code == 0 and out == "serving\n", err
    good = token(world, "--learner", "site-*")
    code, out, err = world.cohort("health", coordinator.address, "--tls-ca", "certs/ca.crt", "--token", good)
    assert code == 0 and out == "serving\n", err
    assert world.cohort("health", coordinator.address, "--tls-ca", "certs/ca.crt")[0] != 0
    assert world.cohort("health", coordinator.address)[0] != 0


def it_takes_learners_in_by_certificate_and_by_token(world):
    prepare(world)
    coordinator = secured(world)
    world.learner(coordinator, "site-a", *tls("certs", "site-a"))
    shown = token(world, "--learner", "ward-*")
    world.learner(coordinator, "ward-7", "tls.ca=certs/ca.crt", f"token={shown}")
    thief = world.learner(coordinator, "site-c", *tls("certs", "site-b"))
    open_ = world.learner(coordinator, "site-d")  # its connection never comes about: no call ends to tell why
    stub = Stub(channel(world, coordinator.address, "alice"), "coordinator", "Coordinator")
    assert thief.process.wait(60) == 2 and "may not act for learner 'site-c'" in thief.words(), thief.words()
    assert any(line["status"] == "PERMISSION_DENIED" and "site-c" in line["reason"] for line in audit(world))
    until = time.monotonic() + 60
    names = set()
    while names != {"site-a", "ward-7"}:
        assert time.monotonic() < until, (names, audit(world)[-3:])
        names = {row.name for row in stub.ListLearners().learners}
        time.sleep(0.05)
    told = open_.wait_for_record("cannot reach the coordinator")
    assert told["coordinator"] == coordinator.address and "both or neither use TLS" in told["error"], told


def it_takes_certificates_that_change(world):
    prepare(world)
    coordinator = secured(world)
    listing = next(row for row in methods() if row[0].endswith("/ListExperiments"))
    old = channel(world, coordinator.address, "alice")
    assert attempt(old, listing) == "OK"
    stranger = channel(world, coordinator.address, "stranger", "others")
    assert attempt(stranger, listing) == "UNAUTHENTICATED"
    both = b"".join((world.folder / f"{name}/ca.crt").read_bytes() for name in ("certs", "others"))
    (world.folder / "certs/ca.new").write_bytes(both)
    os.replace(world.folder / "certs/ca.new", world.folder / "certs/ca.crt")
    assert attempt(stranger, listing) == "OK", "the new authority is not taken on an open connection"
    assert attempt(old, listing) == "OK", "an open connection broke"
    make(world, "server2", "relay", folder="others")
    for end in ("crt", "key"):
        os.replace(world.folder / f"others/server2.{end}", world.folder / f"certs/server.{end}")
    only = grpc.ssl_channel_credentials((world.folder / "others/ca.crt").read_bytes())
    options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    fresh = world.stack.enter_context(grpc.secure_channel(coordinator.address, only, options=options))
    assert attempt(fresh, listing) == "UNAUTHENTICATED", "the new server certificate is not shown"
    assert attempt(old, listing) == "OK", "an open connection broke"


def it_refuses_to_serve_everyone_unasked(world):
    for setting in ('listen=["0.0.0.0:0"]', 'listen=["[::]:0"]'):
        done = subprocess.run(
            [PROGRAMS / "cohort-coordinator", "--set", setting],
            env=world.environment,
            cwd=world.folder,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 2 and "insecure: true" in done.stderr, done.stderr
    assert world.coordinator('listen=["0.0.0.0:0"]', "insecure=true").address


main(globals())
