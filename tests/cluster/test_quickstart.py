"""The quickstart, as docs/kubernetes.md has it."""
import hashlib
import json
import re
import time

SECONDS = 90  # from `kubectl apply` to the tenth round


def it_trains_from_apply_to_a_model(cluster):
    folder = cluster.overlay("quickstart", ["base"], ["components/demo", "components/no-claims"])
    began = time.monotonic()
    cluster.apply(folder)
    cluster.wait("job", "cohort-submit", "condition=complete")
    seconds = time.monotonic() - began
    log = cluster.k("logs", "job/cohort-submit")
    assert re.search(r"^round 10 committed in ", log, re.M), log
    with cluster.forward() as address:
        rows = [json.loads(line) for line in cluster.cohort("learners", "--coordinator", address, "--json").stdout.splitlines()]
        assert sorted(row["name"] for row in rows) == ["cohort-learner-0", "cohort-learner-1", "cohort-learner-2"], rows
        told = cluster.cohort("watch", "--coordinator", address, "--json").stdout.splitlines()
        committed = [it for it in map(json.loads, told) if it["event"] == "round_committed"]
        printed = cluster.cohort("model", "download", "--coordinator", address, "--out", "model.safetensors").stdout
    assert [it["round"] for it in committed] == list(range(1, 11)), committed
    digest = hashlib.sha256((cluster.scratch / "model.safetensors").read_bytes()).hexdigest()
    assert printed.split()[0] == digest == committed[-1]["model_sha256"], printed
    experiment = cluster.scratch / "k8s/components/demo/experiment.yaml"
    assert digest == cluster.local_hash(experiment), "the model is another than that of `cohort run`"
    accuracy = measured_accuracy(cluster)
    assert abs(accuracy - cluster.metric("test_accuracy")) < 1e-3, (accuracy, cluster.metric("test_accuracy"))
    assert accuracy > 0.85, accuracy
    print(f"# quickstart: {seconds:.1f} s from apply to the tenth round; accuracy {accuracy:.4f}")
    assert seconds < SECONDS or not cluster.timed, f"{seconds:.1f} s from apply to the tenth round, not {SECONDS}"


def measured_accuracy(cluster):
    """Of the model that was downloaded, on test digits drawn here."""
    text = (cluster.scratch / "local.yaml").read_text()
    (cluster.scratch / "predict.yaml").write_text(text)
    out = cluster.cohort("predict", "--model", "model.safetensors", "--experiment", "predict.yaml", "--json").stdout
    return json.loads(out)["accuracy"]
