"""Steps of training in C against numpy, for every row of lib/nn's registries.

    nn_reference.py NN_STEP FOLDER_OF_LIB_NN
"""

import json
import math
import os
import subprocess
import sys
import tempfile

import numpy as np
from nn_layers import ACTIVATIONS, LAYERS, LOSSES, OPTIMIZERS, SCHEDULES, Activation

BATCH, STEPS, SEED = 4, 4, 20240501
TOLERANCE = 1e-5


def one(layer, **options):
    return {layer: options}


def problem(layers, input, outputs, loss="cross_entropy", targets="classes", **training):
    training.setdefault("optimizer", {"kind": "sgd", "learning_rate": 0.1})
    return {
        "model": {"layers": layers, "loss": loss},
        "training": training,
        "input": input,
        "outputs": outputs,
        "targets": targets,
        "batch": BATCH,
        "steps": STEPS,
    }


def trained_by(**training):
    return problem([one("dense", units=6, activation="tanh"), one("dense", units=3)], [5], 3, **training)


HEAD = one("dense", units=3)
PROBLEMS = {
    "dense": problem([HEAD], [5], 3),
    "dense of an image": problem([one("dense", units=4, activation="relu", bias=False), HEAD], [2, 3, 2], 3),
    "flatten": problem([one("layer_norm"), one("flatten"), HEAD], [2, 3, 2], 3),
    "layer_norm": problem([one("dense", units=9), one("layer_norm", epsilon=0.01), HEAD], [5], 3),
    "layer_norm of an image": problem([one("layer_norm"), one("layer_norm"), HEAD], [2, 3, 2], 3),
    "dropout": problem([one("dense", units=9), one("dropout", rate=0.4), HEAD], [5], 3),
    "dropout above another": problem([one("dropout"), one("dense", units=9), one("dropout", rate=0.2), HEAD], [5], 3),
    "conv2d": problem([one("layer_norm"), one("conv2d", filters=3, kernel=3, activation="relu"), HEAD], [2, 6, 5], 3),
    "conv2d same": problem(
        [one("layer_norm"), one("conv2d", filters=2, kernel=[2, 3], stride=[1, 2], padding="same"), HEAD], [3, 5, 6], 3
    ),
    "conv2d padded": problem(
        [one("layer_norm"), one("conv2d", filters=2, kernel=3, stride=2, pad=1, bias=False, activation="gelu"), HEAD],
        [2, 6, 7],
        3,
    ),
    "conv2d of a matrix": problem([one("conv2d", filters=2, kernel=2, activation="tanh"), HEAD], [5, 4], 3),
    "max_pool2d": problem([one("conv2d", filters=2, kernel=2), one("max_pool2d", size=2), HEAD], [1, 7, 5], 3),
    "max_pool2d overlapping": problem([one("layer_norm"), one("max_pool2d", size=3, stride=[1, 2]), HEAD], [2, 6, 7], 3),
    "avg_pool2d": problem([one("conv2d", filters=2, kernel=2), one("avg_pool2d", size=2), HEAD], [1, 7, 5], 3),
    "avg_pool2d overlapping": problem([one("layer_norm"), one("avg_pool2d", size=[2, 3], stride=1), HEAD], [2, 6, 7], 3),
    "cross_entropy smoothed": problem([HEAD], [5], 3, loss={"kind": "cross_entropy", "label_smoothing": 0.2}),
    "mse": problem([HEAD], [5], 3, loss="mse", targets="values"),
    "mse of classes": problem([HEAD], [5], 3, loss="mse"),
    "binary_cross_entropy": problem([HEAD], [5], 3, loss="binary_cross_entropy", targets="values"),
    "binary_cross_entropy of classes": problem([HEAD], [5], 3, loss="binary_cross_entropy"),
    "sgd momentum": trained_by(optimizer={"kind": "sgd", "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    "sgd nesterov": trained_by(
        optimizer={"kind": "sgd", "learning_rate": 0.1, "momentum": 0.8, "nesterov": True, "weight_decay": 0.01}
    ),
    "adam": trained_by(optimizer={"kind": "adam"}),
    "adam decayed": trained_by(
        optimizer={"kind": "adam", "learning_rate": 0.01, "beta1": 0.8, "beta2": 0.9, "epsilon": 1e-4, "weight_decay": 0.1}
    ),
    "adamw": trained_by(optimizer={"kind": "adamw", "learning_rate": 0.01, "weight_decay": 0.1}),
    "clipping": trained_by(clip_norm=0.1),
    "constant": trained_by(schedule={"kind": "constant", "warmup_steps": 3}),
    "step": trained_by(schedule={"kind": "step", "every": 2, "factor": 0.5, "warmup_steps": 1}),
    "cosine": trained_by(schedule={"kind": "cosine", "floor": 0.1, "warmup_steps": 1}),
}
for name in ACTIVATIONS:
    PROBLEMS[name + " option"] = problem([one("dense", units=6, activation=name), HEAD], [5], 3)
    PROBLEMS[name + " layer"] = problem(
        [one("layer_norm"), one("activation", function=name), HEAD], [3, 2, 2], 3
    )


def kind_and_options(choice):
    if isinstance(choice, str):
        return choice, {}
    options = dict(choice)
    return options.pop("kind"), options


class Model:
    """A list of modules as nn.Sequential would number them, and the offsets of their tensors."""

    def __init__(self, layers, shape):
        self.modules, self.tensors, module = [], [], 0
        for index, layer in enumerate(layers):
            (name, options), = layer.items()
            options = dict(options)
            activation = options.pop("activation", "none")
            built = LAYERS[name](shape, **options)
            built.index = index
            self.add(built, module)
            module += 1
            if activation != "none":
                self.add(Activation(built.output, activation), module)
                module += 1
            shape = built.output

    def add(self, layer, module):
        layer.tensor_names = [f"{module}.{name}" for name, _ in layer.tensors]
        self.modules.append(layer)
        self.tensors += [[f"{module}.{name}", shape] for name, shape in layer.tensors]

    def split(self, flat):
        parts, at = {}, 0
        for name, shape in self.tensors:
            parts[name] = flat[at : at + math.prod(shape)].reshape(shape)
            at += math.prod(shape)
        return parts

    def forward(self, flat, x, step):
        parts = self.split(flat)
        for module in self.modules:
            x = module.forward(x, [parts[name] for name in module.tensor_names], step)
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy):
        gradients, dy = [], dy.reshape(self.shape)
        for module in reversed(self.modules):
            dy, of_tensors = module.backward(dy)
            gradients = [g.ravel() for g in of_tensors] + gradients
        return np.concatenate(gradients)


def step_key(step):
    return 7, 1, 2, step  # seed, learner, round, step, as nn_step.c has them


def train(given, model, x, targets, flat):
    loss_kind, loss_options = kind_and_options(given["model"]["loss"])
    optimizer, options = kind_and_options(given["training"]["optimizer"])
    step_function, default_rate = OPTIMIZERS[optimizer]
    schedule, schedule_options = kind_and_options(given["training"].get("schedule", "constant"))
    base, clip = options.pop("learning_rate", default_rate), given["training"].get("clip_norm", 0)
    state, losses, first = {}, [], None
    for step in range(STEPS):
        outputs = model.forward(flat, x, step_key(step))
        loss, dy = LOSSES[loss_kind](outputs, targets, **loss_options)
        gradient = model.backward(dy)
        first = gradient if first is None else first
        losses.append(loss)
        norm = np.linalg.norm(gradient)
        if clip and norm > clip:
            gradient = gradient * clip / norm
        rate = base * SCHEDULES[schedule](step, STEPS, **schedule_options)
        flat = step_function(flat, gradient, state, step + 1, rate, **options)
    return {"losses": losses, "gradient": first, "parameters": flat}


def run_c(given, data):
    with tempfile.TemporaryDirectory() as folder:
        yaml, raw = os.path.join(folder, "problem.yaml"), os.path.join(folder, "data")
        with open(yaml, "w") as file:
            json.dump(given, file)  # JSON is YAML
        data.astype("<f4").tofile(raw)
        done = subprocess.run([sys.argv[1], yaml, raw], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"nn-step failed: {done.stderr}")
    return json.loads(done.stdout)


def check(name, given):
    random = np.random.RandomState(SEED)
    model = Model(given["model"]["layers"], given["input"])
    x = random.uniform(-1, 1, [BATCH] + given["input"]).astype("f4")
    if given["targets"] == "classes":
        targets = random.randint(0, given["outputs"], BATCH)
    else:
        targets = random.uniform(0, 1, (BATCH, given["outputs"])).astype("f4")
    n = sum(math.prod(shape) for _, shape in model.tensors)
    flat = random.uniform(-1, 1, n).astype("f4")
    found = run_c(given, np.concatenate([x.ravel(), targets.ravel(), flat]))
    assert found["tensors"] == model.tensors, f"{name}: tensors {found['tensors']}, not {model.tensors}"
    x, flat = x.astype("f8"), flat.astype("f8")
    expected = {"outputs": model.forward(flat, x, None)}
    expected.update(train(given, model, x, targets if targets.ndim == 1 else targets.astype("f8"), flat))
    worst = {}
    for key, values in expected.items():
        a, b = np.array(found[key]).ravel(), np.array(values).ravel()
        assert a.shape == b.shape, f"{name}: {key} has {a.size} values, not {b.size}"
        worst[key] = (np.abs(a - b) / np.maximum(1, np.abs(b))).max()
    print(f"{name:32}", "  ".join(f"{key} {value:.1e}" for key, value in worst.items()))
    return max(worst.values()) < TOLERANCE


def rows(folder, registry):
    with open(os.path.join(folder, registry + ".def")) as file:
        return {line[2:].split(")")[0] for line in file if line.startswith("X(")}


def words(value):
    """Every word in a problem: the kinds that it uses are among them."""
    if isinstance(value, dict):
        return set(value) | set().union(*map(words, value.values()))
    if isinstance(value, list):
        return set().union(set(), *map(words, value))
    return {value}


def main():
    used = set().union(*(words(given) for given in PROBLEMS.values()))
    for registry in ("layers", "activations", "losses", "optimizers", "schedules"):
        missing = rows(sys.argv[2], registry) - used
        assert not missing, f"{registry}.def has rows without a problem here: {sorted(missing)}"
    wrong = [name for name, given in PROBLEMS.items() if not check(name, given)]
    assert not wrong, f"further than {TOLERANCE} from numpy: {wrong}"


main()
