"""docs/kubernetes.md, its commands run as they are written; where the cluster is an old one, with an overlay that has what it needs."""
import re
import subprocess

from cohort_cluster import ROOT


def block(title):
    text = (ROOT / "docs/kubernetes.md").read_text()
    return re.search(rf"^## {title}\n.*?```sh\n(.*?)```", text, re.S | re.M).group(1)


def follow(cluster, script):
    """Runs it in a folder that has k8s/, with Cohort's programs at hand."""
    if cluster.old:
        script = script.replace("k8s/overlays/quickstart", "k8s/overlays/old-cluster").replace("k8s/overlays/mtls", "k8s/overlays/test-mtls")
    environment = {**cluster.environment, "PATH": f"{cluster.programs}:{cluster.environment['PATH']}"}
    environment.pop("COHORT_COORDINATOR", None)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"trap 'kill $(jobs -p) || true' EXIT\n{script}"],
        env=environment, cwd=cluster.scratch, capture_output=True, text=True, timeout=600, check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}{cluster.told()}"
    return done.stdout


def wait_for_port(script):
    """The forwarding takes a moment, which a person waits for without noticing."""
    return script.replace("7070 &\n", "7070 &\nuntil cohort health 127.0.0.1:7070; do :; done\n")


def it_starts_quickly(cluster):
    if not cluster.image.startswith("localhost/cohort:"):
        return "the image has another name here"
    out = follow(cluster, wait_for_port(block("Quickstart")))
    assert "round 10 committed" in out and "cohort-learner-2" in out and "model.safetensors" in out, out


def it_makes_certificates_and_applies(cluster):
    if not cluster.image.startswith("localhost/cohort:"):
        return "the image has another name here"
    cluster.overlay("mtls", ["overlays/mtls"], ["components/no-claims"])
    follow(cluster, block("Mutual TLS"))
    cluster.ready("statefulset", "cohort-coordinator")
    cluster.ready("statefulset", "cohort-learner")
    with cluster.forward() as address:
        command = re.search(r"^cohort learners --tls-ca .*$", (ROOT / "docs/kubernetes.md").read_text(), re.M).group()
        cluster.await_("learners that attend", lambda: follow(cluster, f"{command} --coordinator {address}").count("cohort-learner-") == 3)
