"""Bond-orientational order parameters q_l with weights, without spherical harmonics.

q_l^2 = sum over neighbours j, k of w_j w_k P_l(cos angle_jk) / (sum of w)^2 is that of
P. J. Steinhardt, D. R. Nelson, M. Ronchetti (1983), doi:10.1103/PhysRevB.28.784, by the addition
theorem of spherical harmonics. A power of the cosine is a product of two tensors,
cos^m = sum over a + b + c = m of m! / (a! b! c!) (x_j x_k)^a (y_j y_k)^b (z_j z_k)^c for unit
vectors, so that sums over single neighbours suffice.
"""

from functools import lru_cache
from itertools import product
from math import factorial

import numpy as np
from numpy.polynomial.legendre import leg2poly
from numpy.typing import NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]

ORDER = 6
"""Largest l of q_l."""


def orientational_order(weights: Float, units: Float) -> Float:
    """The q_l (q, s, ORDER), l = 1, 2, ..., for s sets of weights (q, s, n) of neighbours in the
    directions units (q, n, 3), without the division by the sum of the weights."""
    exponents, matrix = _powers()
    power = np.ones((ORDER + 1, *units.shape))
    np.cumprod(np.broadcast_to(units, (ORDER, *units.shape)), axis=0, out=power[1:])
    x, y, z = np.moveaxis(power, -1, 0)
    products = x[exponents[:, 0]]
    products *= y[exponents[:, 1]]
    products *= z[exponents[:, 2]]
    sums = weights @ np.moveaxis(products, 0, 2)
    return np.sqrt(np.maximum(sums**2 @ matrix, 0.0))


@lru_cache(maxsize=1)
def _powers() -> tuple[Int, Float]:
    """Exponents (84, 3) of products of powers x^a y^b z^c up to degree ORDER; matrix (84, ORDER).

    The matrix takes their squared sums to the q_l^2, l = 1, 2, ...: the sum over the products of
    one degree m gives a power of the cosine, and those give Legendre's polynomials.
    """
    exponents = np.array([
        (a, b, c)
        for a, b, c in product(range(ORDER + 1), repeat=3)
        if a + b + c <= ORDER
    ])  # fmt: skip
    matrix = np.zeros((len(exponents), ORDER))
    for row, (a, b, c) in enumerate(exponents.tolist()):
        degree = a + b + c
        ways = factorial(degree) / (factorial(a) * factorial(b) * factorial(c))
        for order in range(1, ORDER + 1):
            polynomial = leg2poly([0.0] * order + [1.0])
            if degree <= order:
                matrix[row, order - 1] = ways * polynomial[degree]
    return exponents, matrix
