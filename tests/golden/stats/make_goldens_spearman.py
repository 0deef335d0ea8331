#!/usr/bin/env python3
"""Makes spearman.json beside this file: SciPy's spearmanr on numbers with and without equal ones. Needs SciPy."""
import json
import pathlib

import numpy as np
from scipy import stats


def main():
    rng = np.random.default_rng(7)
    cases = []
    for n, slope, digits in ((5, 0, 9), (6, 1, 9), (10, 0.5, 1), (20, -1, 0), (20, 0, 9), (672, 0.1, 2), (1024, -0.02, 9)):
        first = np.round(rng.normal(0, 1, n), digits)
        second = np.round(slope * first + rng.normal(0, 1, n), digits)
        found = stats.spearmanr(first, second)
        assert 0 < abs(found.statistic) < 1
        cases.append(dict(first=first.tolist(), second=second.tolist(), rho=float(found.statistic), p=float(found.pvalue)))
    path = pathlib.Path(__file__).with_name("spearman.json")
    path.write_text(json.dumps(cases, separators=(",", ":")).replace('},{"', '},\n{"') + "\n")


main()
