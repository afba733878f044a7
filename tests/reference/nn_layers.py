"""Layers, activations, losses, optimizers and schedules in numpy and float64, written from their definitions.

A layer is a class with `tensors` (name and shape of each parameter), forward(x, p, train) and backward(dy), which
returns (dx, [dp]). Loops are as plain as the formulas; nothing here is fast.
"""

import itertools
import math

import numpy as np
import philox

DROPOUT = 4  # the stream's purpose


def pair(value):
    values = value if isinstance(value, list) else [value]
    return values * 2 if len(values) == 1 else values


def as_image(shape):
    return shape if len(shape) == 3 else [1] + shape


class Dense:
    def __init__(self, shape, units, bias=True):
        self.tensors = [("weight", [units, math.prod(shape)])] + [("bias", [units])] * bias
        self.output = [units]

    def forward(self, x, p, step):
        self.shape, self.x, self.p = x.shape, x.reshape(len(x), -1), p
        return self.x @ p[0].T + (p[1] if len(p) > 1 else 0)

    def backward(self, dy):
        dp = [dy.T @ self.x] + [dy.sum(axis=0)] * (len(self.p) > 1)
        return (dy @ self.p[0]).reshape(self.shape), dp


class Windows:
    """Where windows of kernel [h, w] stand on an image: the places of (window, tap) in the padded image."""

    def __init__(self, shape, kernel, stride, padding, pad):
        self.kernel, self.stride, before, after = pair(kernel), pair(stride), pair(pad), pair(pad)
        if padding == "same":
            for i, size in enumerate(shape[1:]):
                n = -(-size // self.stride[i])
                total = max(0, (n - 1) * self.stride[i] + self.kernel[i] - size)
                before[i], after[i] = total // 2, total - total // 2
        self.before, self.after = list(before), list(after)
        self.size = [
            (shape[1 + i] + before[i] + after[i] - self.kernel[i]) // self.stride[i] + 1 for i in (0, 1)
        ]

    def padded(self, x):
        around = [(b, a) for b, a in zip(self.before, self.after)]
        return np.pad(x, [(0, 0), (0, 0)] + around)

    def unpadded(self, x):
        (top, left), (bottom, right) = self.before, self.after
        return x[:, :, top : x.shape[2] - bottom, left : x.shape[3] - right]

    def __iter__(self):
        """(row, column) of each output, and its slice of the padded image."""
        for y, x in itertools.product(range(self.size[0]), range(self.size[1])):
            top, left = y * self.stride[0], x * self.stride[1]
            yield (y, x), (slice(top, top + self.kernel[0]), slice(left, left + self.kernel[1]))


class Conv2d:
    def __init__(self, shape, filters, kernel, stride=1, padding="valid", pad=0, bias=True):
        self.shape = as_image(shape)
        self.windows = Windows(self.shape, kernel, stride, padding, pad)
        self.tensors = [("weight", [filters, self.shape[0]] + self.windows.kernel)]
        self.tensors += [("bias", [filters])] * bias
        self.output = [filters] + self.windows.size

    def forward(self, x, p, step):
        self.given, self.p = x.shape, p
        self.x = self.windows.padded(x.reshape([len(x)] + self.shape))
        y = np.zeros([len(x)] + self.output)
        for (i, j), (rows, columns) in self.windows:
            y[:, :, i, j] = np.einsum("bchw,fchw->bf", self.x[:, :, rows, columns], p[0])
        return y + (p[1][:, None, None] if len(p) > 1 else 0)

    def backward(self, dy):
        dx, dw = np.zeros(self.x.shape), np.zeros(self.p[0].shape)
        for (i, j), (rows, columns) in self.windows:
            dx[:, :, rows, columns] += np.einsum("bf,fchw->bchw", dy[:, :, i, j], self.p[0])
            dw += np.einsum("bf,bchw->fchw", dy[:, :, i, j], self.x[:, :, rows, columns])
        dp = [dw] + [dy.sum(axis=(0, 2, 3))] * (len(self.p) > 1)
        return self.windows.unpadded(dx).reshape(self.given), dp


class Pool:
    tensors = []

    def __init__(self, shape, size, stride=None):
        self.shape = as_image(shape)
        self.windows = Windows(self.shape, size, stride or size, "valid", 0)
        self.output = [self.shape[0]] + self.windows.size

    def forward(self, x, p, step):
        self.given, self.x = x.shape, x.reshape([len(x)] + self.shape)
        y = np.zeros([len(x)] + self.output)
        for (i, j), (rows, columns) in self.windows:
            y[:, :, i, j] = self.reduce(self.x[:, :, rows, columns])
        return y

    def backward(self, dy):
        dx = np.zeros(self.x.shape)
        for (i, j), (rows, columns) in self.windows:
            dx[:, :, rows, columns] += dy[:, :, i, j, None, None] * self.share(self.x[:, :, rows, columns])
        return dx.reshape(self.given), []


class MaxPool2d(Pool):
    def reduce(self, window):
        return window.max(axis=(2, 3))

    def share(self, window):
        return window == window.max(axis=(2, 3), keepdims=True)


class AvgPool2d(Pool):
    def reduce(self, window):
        return window.mean(axis=(2, 3))

    def share(self, window):
        return np.full(window.shape, 1 / window.shape[2] / window.shape[3])


class Flatten:
    tensors = []

    def __init__(self, shape):
        self.output = [math.prod(shape)]

    def forward(self, x, p, step):
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy):
        return dy.reshape(self.shape), []


class Dropout:
    tensors = []

    def __init__(self, shape, rate=0.5):
        self.output, self.rate = shape, rate

    def forward(self, x, p, step):
        self.factors = np.ones(x.shape)
        if step is not None:  # training
            stream = philox.Stream(*step, DROPOUT, self.index)
            words = np.array([stream.next() for _ in range(x.size)]).reshape(x.shape)
            self.factors = np.where(words / 2**32 < self.rate, 0, 1 / (1 - self.rate))
        return x * self.factors

    def backward(self, dy):
        return dy * self.factors, []


class LayerNorm:
    def __init__(self, shape, epsilon=1e-5):
        self.tensors = [("weight", shape), ("bias", shape)]
        self.output, self.epsilon = shape, epsilon

    def forward(self, x, p, step):
        self.p, self.axes = p, tuple(range(1, x.ndim))
        centred = x - x.mean(axis=self.axes, keepdims=True)
        self.scale = 1 / np.sqrt((centred**2).mean(axis=self.axes, keepdims=True) + self.epsilon)
        self.h = centred * self.scale
        return p[0] * self.h + p[1]

    def backward(self, dy):
        d = dy * self.p[0]
        mean = d.mean(axis=self.axes, keepdims=True)
        along = (d * self.h).mean(axis=self.axes, keepdims=True)
        return self.scale * (d - mean - self.h * along), [(dy * self.h).sum(axis=0), dy.sum(axis=0)]


def erf(x):
    return np.vectorize(math.erf)(x)


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softmax_backward(x, dy):
    y = softmax(x)
    return y * (dy - (y * dy).sum(axis=1, keepdims=True))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# name: (f(x), gradient by x given dy)
ACTIVATIONS = {
    "none": (lambda x: x, lambda x, dy: dy),
    "relu": (lambda x: np.maximum(x, 0), lambda x, dy: dy * (x > 0)),
    "tanh": (np.tanh, lambda x, dy: dy * (1 - np.tanh(x) ** 2)),
    "sigmoid": (sigmoid, lambda x, dy: dy * sigmoid(x) * (1 - sigmoid(x))),
    "softmax": (softmax, softmax_backward),
    "gelu": (
        lambda x: x * (1 + erf(x / math.sqrt(2))) / 2,
        lambda x, dy: dy
        * ((1 + erf(x / math.sqrt(2))) / 2 + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)),
    ),
}


class Activation:
    tensors = []

    def __init__(self, shape, function):
        self.output = shape
        self.f, self.gradient = ACTIVATIONS[function]

    def forward(self, x, p, step):
        self.x = x
        return self.f(x)

    def backward(self, dy):
        return self.gradient(self.x, dy), []


LAYERS = {
    "activation": Activation,
    "avg_pool2d": AvgPool2d,
    "conv2d": Conv2d,
    "dense": Dense,
    "dropout": Dropout,
    "flatten": Flatten,
    "layer_norm": LayerNorm,
    "max_pool2d": MaxPool2d,
}


def mse(x, targets):
    if targets.ndim == 1:
        targets = np.eye(x.shape[1])[targets]
    return ((x - targets) ** 2).mean(), 2 * (x - targets) / x.size


def cross_entropy(x, targets, label_smoothing=0):
    n, classes = x.shape
    wanted = np.full((n, classes), label_smoothing / classes)
    wanted[np.arange(n), targets] += 1 - label_smoothing
    return -(wanted * np.log(softmax(x))).sum() / n, (softmax(x) - wanted) / n


def binary_cross_entropy(x, targets):
    if targets.ndim == 1:
        targets = np.eye(x.shape[1])[targets]
    p = sigmoid(x)
    return -(targets * np.log(p) + (1 - targets) * np.log(1 - p)).mean(), (p - targets) / x.size


LOSSES = {"mse": mse, "cross_entropy": cross_entropy, "binary_cross_entropy": binary_cross_entropy}


def sgd(p, g, state, t, rate, momentum=0, nesterov=False, weight_decay=0):
    """PyTorch's documentation of SGD, with dampening 0."""
    g = g + weight_decay * p
    if momentum:
        state["b"] = momentum * state["b"] + g if "b" in state else g
        g = g + momentum * state["b"] if nesterov else state["b"]
    return p - rate * g


def adam(p, g, state, t, rate, beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0):
    """Kingma and Ba 2015, algorithm 1."""
    g = g + weight_decay * p
    state["m"] = beta1 * state.get("m", 0) + (1 - beta1) * g
    state["v"] = beta2 * state.get("v", 0) + (1 - beta2) * g**2
    m, v = state["m"] / (1 - beta1**t), state["v"] / (1 - beta2**t)
    return p - rate * m / (np.sqrt(v) + epsilon)


def adamw(p, g, state, t, rate, weight_decay=0.01, **options):
    """Loshchilov and Hutter 2019, algorithm 2."""
    return adam(p - rate * weight_decay * p, g, state, t, rate, weight_decay=0, **options)


OPTIMIZERS = {"sgd": (sgd, 0.01), "adam": (adam, 0.001), "adamw": (adamw, 0.001)}  # with the default rate


def warm(factor):
    def scheduled(step, n_steps, warmup_steps=0, **options):
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        return factor(step - warmup_steps, n_steps - warmup_steps, **options)

    return scheduled


SCHEDULES = {
    "constant": warm(lambda step, n: 1),
    "step": warm(lambda step, n, every, factor=0.1: factor ** (step // every)),
    "cosine": warm(
        lambda step, n, floor=0: floor + (1 - floor) * (1 + math.cos(math.pi * step / n)) / 2
    ),
}
