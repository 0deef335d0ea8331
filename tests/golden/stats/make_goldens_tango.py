#!/usr/bin/env python3
"""Makes tango.json beside this file: Tango's score intervals of paired differences, found by SciPy's brentq.

The likeliest probability under each difference is found by maximising the likelihood of the table itself, not by the
closed form that src/stats/tango.cpp has, so that the two share the score statistic alone. Needs SciPy."""
import json
import math
import pathlib

from scipy import stats
from scipy.optimize import brentq


def likeliest_broken(fixed, broken, pairs, d):
    """The q that makes `fixed` pairs of probability q + d, `broken` of q and the rest of 1 - d - 2q the likeliest."""
    low, high = max(0.0, -d), (1 - d) / 2

    def slope(q):  # of the log-likelihood, times what keeps it finite at the ends
        rest = 1 - d - 2 * q
        if not fixed:
            return broken * rest - 2 * (pairs - broken) * q
        if not broken:
            return fixed * rest - 2 * (pairs - fixed) * (q + d)
        return fixed * q * rest + broken * (q + d) * rest - 2 * (pairs - fixed - broken) * q * (q + d)

    start = low + 1e-16 if fixed and broken else low  # with both, an end of the range is a root of the product
    if slope(start) <= 0:
        return low
    return high if slope(high) >= 0 else brentq(slope, start, high, xtol=1e-18, rtol=1e-15)


def score(fixed, broken, pairs, d):
    q = likeliest_broken(fixed, broken, pairs, d)
    distance = fixed - broken - pairs * d
    variance = pairs * (2 * q + d * (1 - d))
    if variance <= 0:
        return math.copysign(math.inf, distance) if distance else 0.0
    return distance / math.sqrt(variance)


def upper(fixed, broken, pairs, z):
    if fixed == pairs:
        return 1.0
    estimate = (fixed - broken) / pairs
    reach = lambda d: max(-1e6, score(fixed, broken, pairs, d)) + z
    return brentq(reach, estimate + 1e-12, 1 - 1e-13, xtol=1e-15, rtol=1e-14)


def interval(fixed, broken, pairs, confidence):
    z = stats.norm.ppf((1 + confidence) / 2)
    return -upper(broken, fixed, pairs, z), upper(fixed, broken, pairs, z)


def main():
    # Published: Fagerland, Lydersen and Laake (2014), airway hyper-responsiveness, 1 and 7 of 21 discordant.
    low, high = interval(1, 7, 21, 0.95)
    assert (round(low, 3), round(high, 3)) == (-0.517, -0.026), (low, high)
    cases = []
    for pairs, counts in ((1, ((0, 0), (1, 0), (0, 1))), (2, ((1, 1), (2, 0), (0, 0))), (10, ((0, 0), (1, 0), (9, 1))),
                          (21, ((1, 7), (0, 21))), (44, ((0, 1), (12, 3))), (50, ((12, 2), (0, 0), (25, 25))),
                          (630, ((449, 15), (0, 0), (3, 4))), (14042, ((0, 0), (1, 0), (1500, 1300), (14042, 0)))):
        for fixed, broken in counts:
            for confidence in (0.95, 0.8, 0.99):
                low, high = interval(fixed, broken, pairs, confidence)
                cases.append(dict(fixed=fixed, broken=broken, pairs=pairs, confidence=confidence, low=low, high=high))
    path = pathlib.Path(__file__).with_name("tango.json")
    path.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


main()
