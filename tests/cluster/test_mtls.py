"""Mutual TLS: everybody shows a certificate, or a join token; what goes over the wire is not to be read."""
import contextlib
import signal
import subprocess

PLAIN = (b"PRI * HTTP/2.0", b"application/grpc", b"cohort.v1.Exchange")  # how an open connection begins, and goes on
TLS_HELLO, TLS_DATA = b"\x16\x03\x01", b"\x17\x03\x03"
AS_WHO = {
    "coordinator": ("--role", "relay", "--host", "cohort-coordinator", "--host", "cohort-coordinator.cohort.svc"),
    "learner": ("--identity", "cohort-learner-*", "--host", "cohort-learner", "--host", "*.cohort-learner.cohort.svc"),
    "user": ("--role", "user",),
}
CA = ("ca", "/ca", {"secret": {"secretName": "cohort-user-tls", "items": [{"key": "ca.crt", "path": "ca.crt"}], "defaultMode": 0o440}})
DIAL = ["/bin/cohort-learner", "--set", "coordinator=cohort-coordinator:7070", "--set", "use_experiment_data=true"]


def make_secrets(cluster):
    for name, options in AS_WHO.items():
        cluster.cohort("certs", "make", "--out", "certs", "--name", name, *options)
        files = (f"--from-file=tls.crt=certs/{name}.crt", f"--from-file=tls.key=certs/{name}.key", "--from-file=ca.crt=certs/ca.crt")
        cluster.k("create", "secret", "generic", f"cohort-{name}-tls", *files)
    token = cluster.cohort("token", "create", "--file", "tokens", "--learner", "guest").stdout.split()[-1]
    cluster.k("create", "secret", "generic", "cohort-tokens", "--from-file=tokens=tokens")
    cluster.k("create", "secret", "generic", "guest-token", f"--from-literal=token={token}")


@contextlib.contextmanager
def captured(cluster, name):
    """What crosses the node on Cohort's ports meanwhile, in a file whose path this gives; None where the node is not ours."""
    if not cluster.node:
        yield None
        return
    path = cluster.scratch / f"{name}.pcap"
    process = subprocess.Popen(
        ["tcpdump", "-i", "any", "-s", "0", "-U", "-Z", "root", "-w", path, "tcp port 7070 or tcp port 7071"], stderr=subprocess.PIPE, text=True
    )
    assert "listening" in (process.stderr.readline() + process.stderr.readline()), "no capture"
    yield path
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)


def it_encrypts_everything_and_refuses_strangers(cluster):
    cluster.namespace()
    make_secrets(cluster)
    path = cluster.scratch / "k8s/components/demo/experiment.yaml"
    with captured(cluster, "secure") as secure:
        cluster.apply(cluster.overlay("mtls", ["base"], ["components/demo", "components/no-claims", "components/mtls"]))
        cluster.submitted()
    for pod in cluster.get("pods", "-l", "app.kubernetes.io/component in (coordinator, learner)")["items"]:
        status = pod["status"]["containerStatuses"][0]
        assert status["ready"] and status["restartCount"] == 0, (pod["metadata"]["name"], "its probes are not green", status)
    who = ["--tls-ca", "certs/ca.crt", "--tls-cert", "certs/user.crt", "--tls-key", "certs/user.key", "--tls-name", "cohort-coordinator"]
    with cluster.forward() as address:
        got = cluster.cohort("model", "download", "--coordinator", address, *who, "--out", "mtls.safetensors").stdout.split()[0]
        nobody = cluster.cohort("learners", "--coordinator", address, *who[:2], *who[6:], check=False)
    assert got == cluster.local_hash(path)
    assert nobody.returncode and "certificate" in nobody.stderr, nobody
    if secure:
        content = secure.read_bytes()
        assert len(content) > 1e6 and TLS_HELLO in content and TLS_DATA in content, "the capture is empty"
        assert not any(words in content for words in PLAIN), "something can be read"
    strangers(cluster)


def strangers(cluster):
    """Pods with a CA but no certificate, with no TLS at all, and with a join token."""
    cluster.pod("bare", [*DIAL, "--set", "name=cohort-learner-7", "--set", "tls.ca=/ca/ca.crt"], volumes=[CA])
    cluster.await_("refusal of a pod without a certificate", lambda: "UNAUTHENTICATED" in cluster.logs("bare"))
    assert '"joined"' not in cluster.logs("bare")
    refused = cluster.logs("cohort-coordinator-0")
    assert "refused" in refused and "certificate" in refused, refused
    with captured(cluster, "open") as open_:
        cluster.pod("open", [*DIAL, "--set", "name=cohort-learner-8"])
        cluster.await_("failure of a pod without TLS", lambda: "cannot reach" in cluster.logs("open"))
    assert '"joined"' not in cluster.logs("open")
    assert not open_ or PLAIN[0] in open_.read_bytes(), "a capture would not have shown it"
    token = ("token", "/token", {"secret": {"secretName": "guest-token", "defaultMode": 0o440}})
    cluster.pod("guest", [*DIAL, "--set", "name=guest", "--set", "tls.ca=/ca/ca.crt", "--set", "token=file:/token/token"], volumes=[CA, token])
    cluster.await_("a guest with a token", lambda: '"joined"' in cluster.logs("guest"))
