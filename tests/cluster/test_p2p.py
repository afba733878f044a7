"""Learners that exchange with each other, found by the names that their headless service gives them."""
DEMO = ["components/demo", "components/no-claims", "components/p2p"]


def train(cluster, name, **collaboration):
    path = cluster.experiment(collaboration=collaboration)
    cluster.apply(cluster.overlay(name, ["base"], DEMO))
    words = cluster.submitted()
    assert "round 10 committed" in words, words
    with cluster.forward() as address:
        committed = [it for it in cluster.watched(address) if it["event"] == "round_committed"]
    for i in range(3):
        log = cluster.logs(f"cohort-learner-{i}")
        told = log.replace("cannot reach the coordinator", "")  # a learner may be there before the coordinator is
        assert "cannot" not in told, log
    return path, committed


def it_goes_round_a_ring(cluster):
    path, committed = train(cluster, "ring", topology="ring")
    assert committed[-1]["model_sha256"] == cluster.local_hash(path)


def it_gossips(cluster):
    train(cluster, "gossip", topology="gossip")
    accuracy = cluster.await_("an accuracy", lambda: cluster.metric("test_accuracy"))
    assert accuracy > 0.8, accuracy
