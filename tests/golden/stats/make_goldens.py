#!/usr/bin/env python3
"""Makes cases.json beside this file: what SciPy, statsmodels and NumPy compute for src/stats.

Run on Debian 12 with python3-numpy 1.24, python3-scipy 1.10 and python3-statsmodels 0.13. The tests read only the
file. The bootstrap's draws are written out here from their definition in src/stats/bootstrap.h, with NumPy's own
integers and quantiles."""
import json
import pathlib

import numpy as np
from scipy import stats
from scipy.optimize import brentq
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint


def wilson():
    cases = []
    for trials in (1, 2, 7, 100, 1534, 14042, 10**7):
        for part in (0, 0.003, 0.25, 0.5, 0.9, 1):
            for confidence in (0.95, 0.8, 0.999):
                successes = round(trials * part)
                low, high = proportion_confint(successes, trials, 1 - confidence, method="wilson")
                cases.append(dict(successes=successes, trials=trials, confidence=confidence, low=low, high=high))
    return cases


def exact():
    cases = []
    for fixed, broken in ((0, 0), (1, 0), (0, 1), (1, 1), (5, 0), (0, 12), (3, 9), (9, 3), (10, 11), (25, 24),
                          (100, 140), (500, 400), (1000, 1000), (1203, 1011), (7000, 7042), (60, 900)):
        table = [[17, broken], [fixed, 4]]
        p = float(mcnemar(table, exact=True).pvalue)
        if fixed + broken:  # the same test under its other name
            assert np.isclose(p, stats.binomtest(fixed, fixed + broken, 0.5).pvalue, rtol=1e-10)
        cases.append(dict(fixed=fixed, broken=broken, p=p))
    return cases


def holm(rng):
    lists = [[], [0.03], [0.01, 0.04, 0.03, 0.005], [0.5, 0.5, 0.5], [0.02, 0.02, 0.01], [1.0, 0.0, 1.0],
             list(rng.random(57) ** 3), list(np.round(rng.random(57) ** 4, 2))]
    return [dict(p=p, adjusted=list(multipletests(p, method="holm")[1]) if p else []) for p in lists]


def words(seed, first, count):
    """Words [first, first + count) of SplitMix64 begun with `seed`."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(first + 1, first + count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def resampled_sums(differences, resamples, seed):
    n = len(differences)
    per = (n + 1) // 2
    w = words(seed, 0, resamples * per).reshape(resamples, per)
    halves = np.stack([w & np.uint64(0xFFFFFFFF), w >> np.uint64(32)], axis=2).reshape(resamples, 2 * per)[:, :n]
    return differences[(halves * np.uint64(n)) >> np.uint64(32)].sum(axis=1)


def bootstrap(rng):
    # The published first words for seed 0 tie the generator to the world's.
    assert [hex(w) for w in words(0, 0, 3)] == ["0xe220a8397b1dcdaf", "0x6e789e6aa1b965f4", "0x6c45d188009454f"]
    cases = []
    for n, fixed, broken, resamples, seed, confidence in (
            (1, 1, 0, 10, 0, 0.95), (2, 1, 1, 100, 1, 0.95), (7, 2, 1, 999, 2, 0.95), (100, 12, 9, 2000, 0, 0.95),
            (101, 30, 5, 1000, 2**64 - 1, 0.9), (1534, 200, 100, 1000, 12345678901234567890, 0.95),
            (14042, 1500, 1300, 200, 7, 0.99)):
        differences = np.array([1] * fixed + [-1] * broken + [0] * (n - fixed - broken), dtype=np.int64)
        rng.shuffle(differences)
        sums = resampled_sums(differences, resamples, seed)
        low, high = np.quantile(sums / n, [(1 - confidence) / 2, (1 + confidence) / 2])
        cases.append(dict(differences="".join("-0+"[d + 1] for d in differences), resamples=resamples, seed=seed,
                          confidence=confidence, first_sums=sums[:20].tolist(), low=low, high=high))
    return cases


def t_quantile(degrees):
    """Of t at 0.975. SciPy's own is good to 1e-9 only, its distribution function to the last digits."""
    return brentq(lambda t: stats.t.sf(t, degrees) - 0.025, 1, 100, xtol=1e-15, rtol=1e-15)


def mean_differences(rng):
    cases = []
    for n, m, shift, spread in ((2, 2, 0.1, 1), (5, 9, 1, 1), (30, 30, 0, 1), (40, 12, -0.3, 0.01), (500, 700, 0.02, 3)):
        first, second = rng.normal(10, 1, n), rng.normal(10 + shift, spread, m)
        welch = stats.ttest_ind(second, first, equal_var=False)
        a, b = first.var(ddof=1) / n, second.var(ddof=1) / m
        reach = t_quantile((a + b)**2 / (a**2 / (n - 1) + b**2 / (m - 1))) * np.sqrt(a + b)
        k = min(n, m)
        pairs = stats.ttest_rel(second[:k], first[:k])
        middle, change = float(second.mean() - first.mean()), second[:k] - first[:k]
        width = t_quantile(k - 1) * change.std(ddof=1) / np.sqrt(k)
        assert np.allclose(pairs.confidence_interval(0.95), change.mean() + width * np.array([-1, 1]), atol=1e-7)
        cases.append(dict(first=first.tolist(), second=second.tolist(),
                          welch=dict(difference=middle, low=middle - reach, high=middle + reach, p=float(welch.pvalue)),
                          paired=dict(difference=float(change.mean()), low=float(change.mean() - width),
                                      high=float(change.mean() + width), p=float(pairs.pvalue))))
    return cases


def main():
    rng = np.random.default_rng(20240527)
    cases = dict(wilson=wilson(), mcnemar=exact(), holm=holm(rng), bootstrap=bootstrap(rng),
                 mean_difference=mean_differences(rng))
    path = pathlib.Path(__file__).with_name("cases.json")
    path.write_text(json.dumps(cases, indent=None, separators=(",", ":")).replace('},{"', '},\n{"') + "\n")


main()
