#!/usr/bin/python3
"""What `cohort run` refuses: one line that names the file, the place, the value and the remedy; exit code 2; nothing
started and nothing left behind."""
import gzip
import os
import re
import struct

import numpy
from cohort_e2e import main, save_classes

EXPERIMENT = """\
name: refused
seed: 1
model:
  layers:
    - dense: {units: 8, activation: relu}
    - dense: {units: 3}
  loss: cross_entropy
data:
  format: npy
  train: {features: train-x.npy, labels: train-y.npy}
  test: {features: test-x.npy, labels: test-y.npy}
training: {optimizer: {kind: sgd, learning_rate: 0.1}, batch_size: 16}
collaboration:
  algorithm: fedavg
  rounds: 3
  learners: 4
"""


def refused(world, changes, *expected, arguments=(), code=2, out="out"):
    """Runs the experiment with text replaced; the one line on standard error must hold all of `expected`."""
    text = EXPERIMENT
    for old, new in changes:
        assert text.count(old) == 1, f"{text.count(old)} times '{old}'"
        text = text.replace(old, new)
    world.write("x.yaml", text)
    before = sorted(path.name for path in world.folder.iterdir())
    got, printed, err = world.cohort("run", "x.yaml", "--out", out, *arguments)
    words = err.rstrip("\n")
    assert got == code, f"exit code {got}: {err}"
    assert words and "\n" not in words, f"not one line:\n{err}"
    assert words.startswith("cohort: "), words
    assert printed == "", f"something was printed: {printed}"
    for part in expected:
        assert re.search(part, words), f"'{part}' is missing in: {words}"
    assert sorted(path.name for path in world.folder.iterdir()) == before, "something was left behind"
    assert world.processes() == []


def prepare(world):
    save_classes(world.folder, "train")
    save_classes(world.folder, "test", n=60, seed=2)


def it_suggests_the_right_key(world):
    prepare(world)
    refused(world, [("training:", "trainin:")], r"x\.yaml:12:1: ", "'trainin'", "did you mean 'training'")
    refused(world, [("rounds:", "round:")], r"x\.yaml:15:3: ", "'round'", "did you mean 'rounds'")
    refused(world, [("activation: relu", "activaton: relu")], r"x\.yaml:5:\d+: ", "did you mean 'activation'")
    refused(world, [("seed: 1", "sede: 1")], r"x\.yaml:2:1: ", "did you mean 'seed'")


def it_names_a_missing_key(world):
    prepare(world)
    refused(world, [("  rounds: 3\n", "")], r"x\.yaml:14:3: ", "'rounds'")
    refused(world, [("name: refused\n", "")], r"x\.yaml:1:1: ", "'name'")


def it_names_a_value_of_the_wrong_type(world):
    prepare(world)
    refused(world, [("rounds: 3", "rounds: three")], r"x\.yaml:15:11: ", "rounds 'three' must be a whole number")
    refused(world, [("rounds: 3", "rounds: 3.5")], r"x\.yaml:15:11: ", "rounds '3.5' must be a whole number")
    refused(world, [("seed: 1", "seed: [1]")], r"x\.yaml:2:7: ", "seed")
    refused(world, [("  rounds: 3", "  rounds: {a: 1}")], r"x\.yaml:15:11: ", "rounds")


def it_names_a_value_that_is_out_of_bounds(world):
    prepare(world)
    rate = "learning_rate '-0.1' must be greater than 0"
    refused(world, [("learning_rate: 0.1", "learning_rate: -0.1")], r"x\.yaml:12:50: ", rate)
    refused(world, [("batch_size: 16", "batch_size: 0")], r"x\.yaml:12:\d+: ", "batch_size '0'", "between 1 and")
    refused(world, [("learners: 4", "learners: 0")], r"x\.yaml:16:13: ", "learners '0'")
    refused(world, [("learning_rate: 0.1", "learning_rate: nan")], r"x\.yaml:12:50: ", "learning_rate 'nan'")


def it_lists_what_is_known(world):
    prepare(world)
    known = [("algorithm: fedavg", "algorithm: magic")]
    refused(world, known, r"x\.yaml:14:14: ", "'magic'", "fedavg", "gradient_descent")
    refused(world, [("loss: cross_entropy", "loss: hinge")], r"x\.yaml:7:9: ", "'hinge'", "mse", "cross_entropy")
    refused(world, [("format: npy", "format: numpy")], r"x\.yaml:9:11: ", "did you mean 'npy'")


def it_refuses_layers_that_do_not_fit(world):
    prepare(world)
    refused(world, [("units: 3", "units: 2")], r"x\.yaml:6:\d+: ", "layer 2 \\(dense\\)", "2 ", "3 classes")
    layers = "- conv2d: {filters: 2, kernel: 3}"
    refused(world, [("- dense: {units: 8, activation: relu}", layers)], r"x\.yaml:5:\d+: ", "layer 1 \\(conv2d\\)")


def it_refuses_broken_yaml(world):
    prepare(world)
    refused(world, [("seed: 1", "seed: [1")], r"x\.yaml:\d+:\d+: ")
    refused(world, [("seed: 1", "seed: 1\nseed: 2")], r"x\.yaml:3:1: ", "seed")
    refused(world, [("seed: 1", "seed: &a 1")], r"x\.yaml:2:\d+: ", "anchor")
    refused(world, [("seed: 1", "\tseed: 1")], r"x\.yaml:2:\d+: ")


def it_refuses_files_that_are_missing_or_damaged(world):
    prepare(world)
    train = "features: train-x.npy"
    place = r"x\.yaml:10:\d+: "
    refused(world, [(train, "features: nowhere.npy")], place, "'nowhere.npy'", "No such file")
    whole = (world.folder / "train-x.npy").read_bytes()
    (world.folder / "short.npy").write_bytes(whole[:-100])
    refused(world, [(train, "features: short.npy")], place, "short.npy", "ends|bytes")
    (world.folder / "magic.npy").write_bytes(b"not numpy" + whole[9:])
    refused(world, [(train, "features: magic.npy")], place, "magic.npy", "NumPy|npy")
    (world.folder / "empty.npy").write_bytes(b"")
    refused(world, [(train, "features: empty.npy")], place, "empty.npy")
    refused(world, [(train, "features: .")], place, "'\\.'")


def it_refuses_idx_files_that_are_damaged(world):
    images = struct.pack(">BBBBIII", 0, 0, 8, 3, 5, 2, 2) + bytes(20)
    labels = struct.pack(">BBBBI", 0, 0, 8, 1, 5) + bytes([0, 1, 2, 0, 1])
    for name, content in ("x", images), ("y", labels), ("short", images[:-1]), ("magic", b"\1" + images[1:]):
        (world.folder / name).write_bytes(content)
    whole = gzip.compress(images)
    (world.folder / "short.gz").write_bytes(whole[: len(whole) - 9])
    lines = [("format: npy", "format: idx"), ("  test: {features: test-x.npy, labels: test-y.npy}\n", "")]
    for name, words in ("short", "short"), ("magic", "magic"), ("short.gz", "short.gz"):
        files = ("features: train-x.npy, labels: train-y.npy", f"features: {name}, labels: y")
        refused(world, [*lines, files], r"x\.yaml:10:\d+: ", re.escape(words))


def it_refuses_labels_that_are_out_of_range(world):
    prepare(world)
    labels = numpy.load(world.folder / "train-y.npy")
    labels[17] = -1
    numpy.save(world.folder / "negative.npy", labels)
    change = [("labels: train-y.npy", "labels: negative.npy")]
    refused(world, change, r"x\.yaml:10:\d+: ", "negative.npy", "sample 17 is -1")
    labels[17] = 5
    numpy.save(world.folder / "large.npy", labels)
    limited = [("format: npy", "format: {kind: npy, classes: 3}"), ("labels: train-y.npy", "labels: large.npy")]
    refused(world, limited, r"x\.yaml:10:\d+: ", "large.npy", "sample 17 is 5", "0 to 2")
    numpy.save(world.folder / "few.npy", labels[:-1])
    refused(world, [("labels: train-y.npy", "labels: few.npy")], r"x\.yaml:10:\d+: ", "few.npy", "239", "240")


def it_refuses_numbers_that_are_not_finite(world):
    prepare(world)
    features = numpy.load(world.folder / "train-x.npy")
    for name, value in ("nan", numpy.nan), ("infinite", numpy.inf):
        features[3, 2] = value
        numpy.save(world.folder / f"{name}.npy", features)
        refused(world, [("features: train-x.npy", f"features: {name}.npy")], r"x\.yaml:10:\d+: ", f"{name}.npy")


def csv(world, lines):
    (world.folder / "table.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    files = ("{features: train-x.npy, labels: train-y.npy}", "{features: table.csv}")
    return [("format: npy", "format: csv"), files, ("  test: {features: test-x.npy, labels: test-y.npy}\n", "")]


def it_refuses_what_is_wrong_in_a_table(world):
    rows = ["a,b,label"] + [f"{i},{i * 2},{'xyz'[i % 3]}" for i in range(30)]
    place = r"x\.yaml:10:\d+: .*table\.csv:4:"
    refused(world, csv(world, rows[:3] + ["2,nan,x"] + rows[4:]), place, "column 'b' is missing", "drop")
    refused(world, csv(world, rows[:3] + ["2,oops,x"] + rows[4:]), place, "oops")
    refused(world, csv(world, rows[:3] + ["2,x"] + rows[4:]), place, "2 columns.* 3;")
    refused(world, csv(world, rows[:3] + ["2,1e999,x"] + rows[4:]), place, "1e999")
    refused(world, csv(world, ["a,b,label"]), r"x\.yaml:10:\d+: ", r"table\.csv")


def it_refuses_fewer_samples_than_learners(world):
    prepare(world)
    refused(world, [("learners: 4", "learners: 241")], r"x\.yaml:16:13: ", "240 samples", "241 learners")


def it_refuses_a_folder_that_it_cannot_write_to(world):
    prepare(world)
    (world.folder / "file").write_text("here")
    refused(world, [], r"'file/out\.unfinished'|'file'", out="file/out")
    refused(world, [], "'/proc/out\.unfinished'", out="/proc/out")


def it_refuses_arguments_that_make_no_sense(world):
    prepare(world)
    refused(world, [], "--procesess", "--processes", arguments=["--procesess", "2"])
    refused(world, [], "--processes 5", "4 learners", arguments=["--processes", "5"])
    refused(world, [], "--processes", "'many'", arguments=["--processes", "many"])
    refused(world, [], "--set collaboration.round=1", "did you mean 'rounds'", arguments=["--set", "collaboration.round=1"])
    refused(world, [], "'--set'|--set", arguments=["--set"])
    refused(world, [], "second.yaml", arguments=["second.yaml"])


def it_refuses_an_experiment_without_data(world):
    prepare(world)
    start, end = EXPERIMENT.index("data:"), EXPERIMENT.index("training:")
    refused(world, [(EXPERIMENT[start:end], "")], r"x\.yaml", "'data'")


def it_refuses_codecs_where_they_cannot_go(world):
    prepare(world)

    def with_lines(*lines, rest=""):
        text = "".join(f"  {line}\n" for line in lines)
        return [("  learners: 4\n", f"  learners: 4\n{text}{rest}")]

    refused(world, with_lines("codec: int8", "topology: ring"), r"x\.yaml:1\d:\d+: codec 'int8' does not go with topology ring")
    refused(world, with_lines("codec: int8", "topology: tree"), "codec 'int8' .* topology tree, where summaries are summed", "f32")
    refused(world, with_lines("downlink: int8", "topology: ring"), r"x\.yaml:17:\d+: downlink 'int8'", "the topology star or tree")
    refused(world, with_lines("downlink: sign"), r"x\.yaml:17:\d+: downlink 'sign'", "{kind: delta, codec: sign}")
    refused(world, with_lines("downlink: {kind: delta, codec: f32}"), r"x\.yaml:17:\d+: delta of 'f32'", "choose another codec")
    refused(world, with_lines("downlink: int7"), "unknown codec 'int7'", "did you mean 'int[48]'")
    stale = ["codec: int8", "schedule: {kind: asynchronous}"]
    refused(world, with_lines(*stale), r"x\.yaml:17:\d+: with schedule 'asynchronous', codec 'int8' .* 'fedavg'", "choose fedbuff")


def it_refuses_weights_of_another_model(world):
    prepare(world)
    (world.folder / "w.safetensors").write_bytes(b"\xff" * 64)
    change = [("  loss:", "  weights: w.safetensors\n  loss:")]
    refused(world, change, r"x\.yaml:7:\d+: ", "w.safetensors")


os.umask(0o022)
main(globals())
