"""Every overlay, and components put together, as the server takes them."""
import sys

from cohort_cluster import ROOT

TOGETHER = [["demo", "relays", "p2p", "no-claims"], ["demo", "p2p", "mtls"], ["demo", "relays", "mtls"]]


def it_takes_every_overlay(cluster):
    cluster.namespace()
    names = sorted(it.name for it in (ROOT / "k8s/overlays").iterdir() if it.name != "old-cluster" or cluster.minor < 25)
    folders = [cluster.overlay(name, [f"overlays/{name}"]) for name in names if name != "old-cluster"]
    folders += [cluster.overlay("and".join(it), ["base"], [f"components/{one}" for one in it]) for it in TOGETHER]
    if cluster.minor < 25:
        folders.append(cluster.scratch / "k8s/overlays/old-cluster")  # as it is
    for folder in folders:
        done = cluster.run("kubectl", "apply", "--dry-run=server", "--validate=strict", "-k", folder, check=False)
        assert done.returncode == 0, f"{folder.name}: {done.stdout}{done.stderr}"
        assert "Warning" not in done.stderr, f"{folder.name}: {done.stderr}"
