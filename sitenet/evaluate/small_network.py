"""A network with one hidden layer: scikit-learn's `MLPRegressor`, in a third of its time.

On a few hundred crystals that class spends most of its time on looking at the types of its
arguments, at every step anew. Here are its steps with its default settings and nothing around them;
results are the same to the last bit.
"""

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

PENALTY = 1e-4
"""Of the squared weights."""

BATCH = 200
"""Largest number of rows in a step."""

RATE, FIRST, SECOND, EPS = 1e-3, 0.9, 0.999, 1e-8
"""Adam: learning rate, decay of the mean gradient and of its square, smallest divisor."""

TOLERANCE, PATIENCE = 1e-4, 10
"""Training ends after more than so many epochs in which the loss falls by less than the tolerance
below its smallest value."""


class SmallNetwork:
    """Linear layer of `width`, ReLU, linear layer to one number, trained on half the squared error.

    Args:
        width: of the hidden layer.
        max_iter: largest number of epochs.
        seed: of the initial weights and the order of the rows.
    """

    def __init__(self, width: int, max_iter: int, seed: int) -> None:
        self.width, self.max_iter, self.seed = width, max_iter, seed
        self.n_iter_ = 0  # epochs of the last fit

    def fit(self, rows: Float, label: Float) -> "SmallNetwork":
        """Train on `rows` (n, d) with `label` (n,)."""
        random = np.random.RandomState(self.seed)
        count, target = len(rows), label[:, None]
        self._start(random, rows.shape[1])
        self._mean, self._square, step = np.zeros_like(self._all), np.zeros_like(self._all), 0
        smallest, waited = np.inf, 0
        order = np.arange(count)
        for epoch in range(1, self.max_iter + 1):
            moved = np.arange(count)
            random.shuffle(moved)
            order, total = order[moved], 0.0
            for start in range(0, count, BATCH):
                chosen = order[start : start + BATCH]
                total += self._loss_and_gradient(rows[chosen], target[chosen]) * len(chosen)
                step += 1
                self._adam(RATE * np.sqrt(1 - SECOND**step) / (1 - FIRST**step))
            loss = total / count
            waited = waited + 1 if loss > smallest - TOLERANCE else 0
            smallest = min(smallest, loss)
            self.n_iter_ = epoch
            if waited > PATIENCE:
                break
        return self

    def predict(self, rows: Float) -> Float:
        """The label of each of `rows` (n, d): (n,)."""
        return self._forward(rows)[1].ravel()

    def _start(self, random: np.random.RandomState, columns: int) -> None:
        """Draw weights; they and their gradients are parts of one array each."""
        shapes = [(columns, self.width), (self.width,), (self.width, 1), (1,)]
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
        self._all, self._gradient = np.empty(ends[-1]), np.empty(ends[-1])
        for values in (self._all, self._gradient):
            parts = np.split(values, ends[:-1])
            views = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
            if values is self._all:
                self._weights = views
            else:
                self._gradients = views
        for weight, bias in (self._weights[:2], self._weights[2:]):
            bound = np.sqrt(6.0 / sum(weight.shape))
            weight[:] = random.uniform(-bound, bound, weight.shape)
            bias[:] = random.uniform(-bound, bound, bias.shape)

    def _adam(self, rate: float) -> None:
        """A step against `_gradient`, which it overwrites."""
        gradient, change = self._gradient, (1 - FIRST) * self._gradient
        self._mean *= FIRST
        self._mean += change
        np.square(gradient, out=gradient)
        gradient *= 1 - SECOND
        self._square *= SECOND
        self._square += gradient
        np.sqrt(self._square, out=gradient)
        gradient += EPS
        np.multiply(-rate, self._mean, out=change)
        change /= gradient
        self._all += change

    def _forward(self, rows: Float) -> tuple[Float, Float]:
        """Values of the hidden layer (n, width) and of the output (n, 1)."""
        first, first_bias, second, second_bias = self._weights
        hidden = rows @ first
        hidden += first_bias
        np.maximum(hidden, 0, out=hidden)
        output = hidden @ second
        output += second_bias
        return hidden, output

    def _loss_and_gradient(self, rows: Float, target: Float) -> float:
        """The loss of a batch; the gradient is left in `_gradients`."""
        first, _, second, _ = self._weights
        hidden, output = self._forward(rows)
        error = output - target
        back = error @ second.T
        np.copyto(back, 0, where=hidden == 0)
        backwards = ((rows, back, first), (hidden, error, second))
        for k, (values, error_of, weight) in enumerate(backwards):
            by_weight, by_bias = self._gradients[2 * k : 2 * k + 2]
            np.matmul(values.T, error_of, out=by_weight)
            by_weight += PENALTY * weight
            by_weight /= len(rows)
            np.divide(error_of.sum(axis=0), len(rows), out=by_bias)
        squares = sum(np.dot(weight.ravel(), weight.ravel()) for weight in (first, second))
        return float(0.5 * (error**2).mean(axis=0)[0] + 0.5 * PENALTY * squares / len(rows))
