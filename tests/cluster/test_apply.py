"""Every overlay, and components put together: as the server takes them, and against current Kubernetes' schemas."""
import json
import shutil

import yaml
from cohort_cluster import ROOT

TOGETHER = [["demo", "relays", "p2p", "no-claims"], ["demo", "p2p", "mtls"], ["demo", "relays", "mtls"]]


def overlays():
    return sorted(it.name for it in (ROOT / "k8s/overlays").iterdir() if it.name != "old-cluster")


def it_is_taken_by_the_server(cluster):
    cluster.namespace()
    folders = [cluster.overlay(name, [f"overlays/{name}"]) for name in overlays()]
    folders += [cluster.overlay("and".join(it), ["base"], [f"components/{one}" for one in it]) for it in TOGETHER]
    if cluster.old:
        folders.append(cluster.scratch / "k8s/overlays/old-cluster")  # as it is
    for folder in folders:
        done = cluster.run("kubectl", "apply", "--dry-run=server", "--validate=strict", "-k", folder, check=False)
        assert done.returncode == 0, f"{folder.name}: {done.stdout}{done.stderr}"
        assert "deprecated" not in done.stderr or cluster.old, f"{folder.name}: {done.stderr}"


def it_fits_current_schemas(cluster):
    folder = cluster.schemas
    if not folder:
        return "npm is not installed, or does not find the package kubernetes-models"
    shutil.copy(ROOT / "tests/cluster/schemas.mjs", folder)
    mixed = cluster.scratch / "k8s/overlays/test-mixed"
    mixed.mkdir()
    components = ["demo", "relays", "p2p", "mtls", "cert-manager", "monitoring"]
    (mixed / "kustomization.yaml").write_text(
        json.dumps({"resources": ["../../base"], "components": [f"../../components/{it}" for it in components]})
    )
    for name in [*overlays(), "test-mixed"]:
        objects = list(yaml.safe_load_all(cluster.kubectl("kustomize", cluster.scratch / "k8s/overlays" / name)))
        (folder / "objects.json").write_text(json.dumps(objects))
        done = cluster.run("sh", "-c", f"cd {folder} && node schemas.mjs objects.json", check=False)
        assert done.returncode == 0 and len(objects) > 10, f"{name}: {done.stdout}{done.stderr}"
    objects[0]["metadata"]["labels"] = 5
    (folder / "objects.json").write_text(json.dumps(objects))
    assert cluster.run("sh", "-c", f"cd {folder} && node schemas.mjs objects.json", check=False).returncode, "nothing is checked"
