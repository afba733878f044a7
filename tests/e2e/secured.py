"""What the tests of services under TLS share: identities with their certificates and tokens, and channels of them."""
from cohort_e2e import grpc, json

ROLES = {"user": "alice", "reader": "eve", "learner": "site-a", "relay": "hall"}


def make(world, name, role, *more, folder="certs"):
    code, _, err = world.cohort("certs", "make", "--out", folder, "--name", name, "--role", role, *more)
    assert code == 0, err


def token(world, *arguments):
    code, out, err = world.cohort("token", "create", "--file", "tokens", *arguments)
    assert code == 0, err
    return out.strip()


def prepare(world):
    for role, name in ROLES.items():
        make(world, name, role)
    make(world, "site-b", "learner")
    make(world, "server", "relay")
    make(world, "late", "user", "--days", "0")
    make(world, "stranger", "user", folder="others")


def tls(folder, name):
    return [f"tls.certificate={folder}/{name}.crt", f"tls.key={folder}/{name}.key", f"tls.ca={folder}/ca.crt"]


def secured(world, *settings):
    return world.coordinator(*tls("certs", "server"), "tokens=tokens", "audit=audit.jsonl", *settings)


def channel(world, address, identity=None, folder="certs"):
    read = lambda name: (world.folder / name).read_bytes()  # noqa: E731
    pair = (read(f"{folder}/{identity}.key"), read(f"{folder}/{identity}.crt")) if identity else (None, None)
    credentials = grpc.ssl_channel_credentials(read("certs/ca.crt"), *pair)
    options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    return world.stack.enter_context(grpc.secure_channel(address, credentials, options=options))


def audit(world, name="audit.jsonl"):
    path = world.folder / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
