#!/usr/bin/python3
"""A model of 100 million parameters, 400 MB, goes down to two learners and up again with no limit raised, and the
coordinator holds less than four of it."""
from cohort_e2e import classes_experiment, main, save_classes, sha256

WIDTH = 10000
MODEL_BYTES = 4 * (WIDTH * WIDTH + WIDTH + WIDTH * 3 + 3)


def it_exchanges_a_model_of_400_megabytes(world):
    experiment = classes_experiment(
        world.folder,
        model={"layers": [{"dense": {"units": WIDTH}}, {"dense": {"units": 3}}]},
        data={"test": None},
        training={"batch_size": 8},
        collaboration={"algorithm": "gradient_descent", "rounds": 2, "learners": 2},
    )
    save_classes(world.folder, "train", n=16, width=WIDTH)
    run = world.run(experiment, "--processes", 2, "--set", "training.optimizer.learning_rate=1e-4")
    summary = run.summary
    print("# " + ", ".join(f"{key} {summary[key]}" for key in ("wall_seconds", "round_seconds", "peak_rss_bytes")))
    assert summary["bytes_up"] == summary["bytes_down"] == 2 * 2 * MODEL_BYTES, summary
    model = run.folder / "model.safetensors"
    assert 0 <= model.stat().st_size - MODEL_BYTES < 1024 and sha256(model) == run.hash
    losses = [row["train_loss"] for row in run.metrics("round")]
    assert losses[1] < losses[0], losses
    assert summary["peak_rss_bytes"]["coordinator"] < 4 * MODEL_BYTES, summary["peak_rss_bytes"]


main(globals())
