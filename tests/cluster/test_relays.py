"""A tree: learners dial relays, of which an autoscaler keeps at least two."""


def it_trains_the_same_model_through_relays(cluster):
    path = cluster.experiment(collaboration={"rounds": 20, "learners": 4}, simulation={"delay": "500ms"})
    folder = cluster.overlay(
        "relays", ["base"], ["components/demo", "components/no-claims", "components/relays"], replicas=[{"name": "cohort-learner", "count": 4}]
    )
    cluster.apply(folder)
    cluster.reach_round(3)
    cluster.await_("the autoscaler's two relays", lambda: cluster.get("deployment", "cohort-relay")["status"].get("readyReplicas") == 2)
    relays = [it["metadata"]["name"] for it in cluster.get("pods", "-l", "app.kubernetes.io/component=relay")["items"]]
    cluster.k("delete", "pod", relays[0])  # its learners dial the other one
    cluster.submitted()
    with cluster.forward() as address:
        got = cluster.cohort("model", "download", "--coordinator", address, "--out", "tree.safetensors").stdout.split()[0]
    assert got == cluster.local_hash(path, "--set", "simulation.delay=0s")
