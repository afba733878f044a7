"""A learner a site: one on an existing claim, one on a node's folder."""
import json
import os
import random

EXPERIMENT = {
    "name": "sites",
    "seed": 1,
    "model": {"layers": [{"dense": {"units": 2}}], "loss": "cross_entropy"},
    "data": {"format": "csv", "train": {"features": "train.csv"}},
    "training": {"optimizer": {"kind": "sgd", "learning_rate": 0.1}, "batch_size": 10, "local_epochs": 1},
    "collaboration": {"algorithm": "fedavg", "rounds": 5, "learners": 2},
}


def write_csv(folder, rows, seed):
    folder.mkdir(parents=True)
    numbers = random.Random(seed)
    lines = ["a,b,label"]
    for _ in range(rows):
        label = numbers.randrange(2)
        lines.append(f"{numbers.gauss(3 * label, 1):.4f},{numbers.gauss(-label, 1):.4f},{label}")
    (folder / "train.csv").write_text("\n".join(lines) + "\n")
    for path in (folder, folder / "train.csv"):
        os.chown(path, 65532, 65532)
        path.chmod(0o700 if path.is_dir() else 0o400)  # nobody else's


def it_trains_on_what_only_each_site_sees(cluster):
    if not cluster.node:
        return "the volumes are folders of a node of our own"
    site_a, site_b = cluster.scratch / "volume-site-a", cluster.scratch / "volume-site-b"
    write_csv(site_a, 120, 1)
    write_csv(site_b, 80, 2)
    cluster.namespace()
    cluster.volumes(3)
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadOnlyMany"], "storageClassName": "site-a", "hostPath": {"path": str(site_a)}}
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "site-a", "labels": {"cohort-test": "yes"}}, "spec": spec}
    claim_spec = {"accessModes": ["ReadOnlyMany"], "storageClassName": "site-a", "volumeName": "site-a", "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "site-a-data", "namespace": "cohort"}, "spec": claim_spec}
    for it in volume, claim:
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(it))
    place = {"target": {"kind": "PersistentVolume"}, "patch": f"- {{op: replace, path: /spec/local/path, value: {site_b}}}"}
    cluster.apply(cluster.overlay("sites", ["overlays/private-data"], patches=[place]))
    for site in "a", "b":
        cluster.ready("statefulset", f"cohort-learner-site-{site}")
    (cluster.scratch / "sites.yaml").write_text(json.dumps(EXPERIMENT))
    with cluster.forward() as address:
        words = cluster.cohort("submit", "-f", "sites.yaml", "--coordinator", address, "--wait", "60", "--watch").stdout
        assert "round 5 committed" in words, words
        rows = [json.loads(line) for line in cluster.cohort("learners", "--coordinator", address, "--json").stdout.splitlines()]
    assert sorted((row["name"], row["samples"]) for row in rows) == [("site-a", 120), ("site-b", 80)], rows
