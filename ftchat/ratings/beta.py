"""The Beta distribution: its distribution function and quantiles, and nothing else of a statistics library.

scipy has both, in 35 MB that nothing else here needs; the tests compare with it.
"""

from math import exp, inf, lgamma, log, log1p

_TINY = 1e-300


def log_beta(a: float, b: float) -> float:
    """The logarithm of the beta function."""
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def cdf(x: float, a: float, b: float) -> float:
    """The probability of a value up to x."""
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    front = exp(a * log(x) + b * log1p(-x) - log_beta(a, b))
    if x < (a + 1.0) / (a + b + 2.0):  # on this side of the middle the fraction converges fast
        return front * _fraction(x, a, b) / a
    return 1.0 - front * _fraction(1.0 - x, b, a) / b


def quantile(share: float, a: float, b: float) -> float:
    """The value below which this share lies: Newton's steps, halving where a step leaves what is still possible."""
    low, high = 0.0, 1.0
    x = a / (a + b)
    for _ in range(200):
        miss = cdf(x, a, b) - share
        low, high = (low, x) if miss > 0.0 else (x, high)
        density = exp((a - 1.0) * log(x) + (b - 1.0) * log1p(-x) - log_beta(a, b))
        step = x - miss / density if density else inf
        step = step if low < step < high else (low + high) / 2.0
        if abs(step - x) <= 1e-13:
            return step
        x = step
    return x


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of the incomplete beta function, evaluated from the front (Lentz)."""
    c, d = 1.0, 1.0 / _away(1.0 - (a + b) * x / (a + 1.0))
    value = d
    for m in range(1, 10_000):  # about the root of the larger parameter: 300 at 100,000 votes
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1.0 / _away(1.0 + term * d)
            c = _away(1.0 + term / c)
            value *= c * d
        if abs(c * d - 1.0) < 1e-15:
            break
    return value


def _away(x: float) -> float:
    """Never quite zero."""
    return x if abs(x) > _TINY else _TINY
