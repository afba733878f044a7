"""Probabilities and objectives of algorithms that exchange predictions."""

import numpy as np
from local_training import SIZES
from problems import unpack


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def outputs(parameters, x):
    layers = unpack(parameters, SIZES)
    for i, (w, b) in enumerate(layers):
        x = x @ w.T + b
        x = np.maximum(x, 0) if i < len(layers) - 1 else x
    return x


def through_softmax(p, by_p):
    """The gradient by softmax's input: J' by_p with J = diag(p) - p p'."""
    return np.einsum("nij,nj->ni", np.einsum("ni,ij->nij", p, np.eye(p.shape[1])) - np.einsum("ni,nj->nij", p, p), by_p)


def infomax(p, others, share, alpha, beta, known):
    """By p of alpha D - beta I."""
    n = len(p)
    mean, marginal = others + share * p, p.mean(axis=0)
    disagreement = -share * (np.log(mean) + 1) + share * (np.log(p) + 1)
    information = (-(np.log(marginal) + 1) + np.log(p) + 1) / n
    return known * alpha * disagreement / n - beta * information
