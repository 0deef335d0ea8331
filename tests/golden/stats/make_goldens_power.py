#!/usr/bin/env python3
"""Makes power.json beside this file: the exact unconditional power of McNemar's exact test, from SciPy.

Few pairs are summed over every table of fixed and broken pairs, each with its own binomtest; many over all numbers of
changes with SciPy's binomial distribution, nothing truncated and no recurrence. Differences are found by brentq, numbers
of pairs by trying 1, 2, 3, ... Needs SciPy."""
import functools
import json
import pathlib

import numpy as np
from scipy import stats
from scipy.optimize import brentq


def by_tables(pairs, changed, difference, level):
    """Over all tables: P(table) where binomtest rejects it."""
    probabilities = [(changed + difference) / 2, (changed - difference) / 2, 1 - changed]
    out = 0.0
    for fixed in range(pairs + 1):
        for broken in range(pairs + 1 - fixed):
            changes = fixed + broken
            if changes and stats.binomtest(fixed, changes).pvalue <= level:
                out += stats.multinomial.pmf([fixed, broken, pairs - changes], pairs, probabilities)
    return out


@functools.cache
def critical(most, level):
    """[most + 1] the largest count on one side that is rejected, or -1."""
    changes = np.arange(most + 1)
    count = stats.binom.ppf(level / 2, changes, 0.5)
    return np.where(2 * stats.binom.cdf(count, changes, 0.5) <= level, count, count - 1)


def given_changes(most, up, level):
    changes, c = np.arange(most + 1), critical(most, level)
    return stats.binom.cdf(c, changes, up) + stats.binom.sf(changes - c - 1, changes, up)


def power(pairs, changed, difference, level):
    weights = stats.binom.pmf(np.arange(pairs + 1), pairs, changed)
    return float(weights @ given_changes(pairs, (1 + difference / changed) / 2, level))


def smallest(pairs, changed, aim, level):
    short = lambda d: power(pairs, changed, d, level) - aim
    return None if short(changed) < 0 else brentq(short, 0, changed, xtol=1e-13, rtol=1e-14)


def needed(changed, difference, aim, level, most):
    values = given_changes(most, (1 + difference / changed) / 2, level)
    for pairs in range(1, most + 1):
        if stats.binom.pmf(np.arange(pairs + 1), pairs, changed) @ values[: pairs + 1] >= aim:
            return pairs
    raise ValueError("more pairs than were tried")


def main():
    out = dict(power=[], difference=[], pairs=[])
    for pairs, changed, difference, level in ((1, 1, 1, 0.05), (6, 1, 1, 0.05), (12, 0.9, 0.5, 0.05), (25, 0.3, 0.3, 0.05),
                                              (25, 1, 0.4, 0.05), (30, 0.5, -0.4, 0.01), (30, 0.5, 0, 0.1)):
        value = by_tables(pairs, changed, difference, level)
        assert abs(value - power(pairs, changed, difference, level)) < 1e-12
        out["power"].append(dict(pairs=pairs, changed=changed, difference=difference, level=level, power=value))
    for pairs in (100, 630, 1000, 14042):
        for changed in (0.01, 0.05, 0.2, 0.6, 1):
            for share in (0, 0.1, 0.4, 1):
                for level in (0.05, 0.05 / 57):
                    difference = share * changed
                    value = power(pairs, changed, difference, level)
                    out["power"].append(dict(pairs=pairs, changed=changed, difference=difference, level=level, power=value))
    for pairs in (5, 6, 100, 630, 1000, 14042):
        for changed in (0.002, 0.01, 0.05, 0.2, 1):
            for aim, level in ((0.8, 0.05), (0.9, 0.005)):
                value = smallest(pairs, changed, aim, level)
                out["difference"].append(dict(pairs=pairs, changed=changed, aim=aim, level=level, difference=value))
    for changed, difference in ((0.05, 0.02), (0.05, 0.05), (0.2, 0.05), (0.2, 0.03), (0.5, 0.3), (1, 1), (1, 0.3), (0.95, 0.2)):
        for aim, level in ((0.8, 0.05), (0.9, 0.01)):
            pairs = needed(changed, difference, aim, level, 4000)
            out["pairs"].append(dict(changed=changed, difference=difference, aim=aim, level=level, pairs=pairs))
    path = pathlib.Path(__file__).with_name("power.json")
    lists = (f'"{name}": [\n' + ",\n".join(json.dumps(case) for case in cases) + "\n]" for name, cases in out.items())
    path.write_text("{\n" + ",\n".join(lists) + "\n}\n")


main()
