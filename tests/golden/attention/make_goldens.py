#!/usr/bin/python3
"""Attention statistics from dense maps, in float64 NumPy, straight from their definitions in docs/attention.md.

    make_goldens.py                    writes the goldens beside this file: maps, classes and expected statistics
    make_goldens.py --check OUT_DIR    computes the statistics of a directory that `refocus attention --dense --before`
                                       wrote, and compares them with its statistics.json

Nothing here is taken from the engine: whole arrays, no streaming.
"""
import argparse, json, pathlib, sys
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
CLASSES = ["special", "punctuation", "white_space", "function_word", "number", "content", "unknown"]
NON_SEMANTIC = CLASSES[:4]
BUCKETS = [0, 1, 4, 16, 64, 256, 1024]


def x_log_x(x):
    return np.where(x > 0, x * np.log(np.where(x > 0, x, 1)), 0 * x)  # NaN stays NaN


def entropy(p):
    return -x_log_x(p).sum(-1)


def row_statistics(after, before, queries, classes, mask, after0, settings):
    """{name: [heads, queries]} of one layer. after, before, mask, after0: [heads, queries, keys]."""
    keys = after.shape[-1]
    key, query = np.arange(keys), np.asarray(queries)
    seen = key[None, :] <= query[:, None]
    own = key[None, :] == query[:, None]
    size = np.abs(after).sum(-1)
    signed = after / np.where(size > 0, size, np.nan)[..., None]  # a row of zeros has no shares
    p, p0 = np.abs(signed), after0 / after0.sum(-1)[..., None]
    out = {"entropy": entropy(p), "mass_first": p[..., 0], "mass_self": (p * own).sum(-1),
           "mass_previous": (p * (key[None, :] == query[:, None] - 1)).sum(-1),
           "mass_window": (p * (seen & (key[None, :] > query[:, None] - settings["window"]))).sum(-1)}
    for c in CLASSES:
        out["mass_" + c] = p[..., [k == c for k in classes]].sum(-1) + 0 * p[..., 0]  # NaN without keys of it too
    out["mass_non_semantic"] = sum(out["mass_" + c] for c in NON_SEMANTIC)
    t = (signed > settings["threshold"]) & seen & ~own
    either, both = (t | mask).sum(-1), (t & mask).sum(-1)
    out["jaccard_layer0"] = np.where(size > 0, np.where(either > 0, both / np.maximum(either, 1), 1.0), np.nan)
    if (after < 0).any():  # each key is two outcomes, one for either sign
        p = np.concatenate([np.maximum(signed, 0), np.maximum(-signed, 0)], -1)
        p0 = np.concatenate([p0, np.zeros_like(p0)], -1)
    out["divergence_layer0"] = entropy((p + p0) / 2) - (entropy(p) + entropy(p0)) / 2
    out["mask_size"] = mask.sum(-1).astype(float)
    out["mass_mask_before"], out["mass_mask_after"] = (before * mask).sum(-1), (after * mask).sum(-1)
    out["row_sum"] = after.sum(-1)
    out["mass_negative"] = np.maximum(-signed, 0).sum(-1)
    return out


def key_facts(queries, keys):
    """For each key: number of kept queries from it on, number after it, and what even attention would give it."""
    query, key = np.asarray(queries), np.arange(keys)
    later = query[:, None] > key[None, :]
    return (query[:, None] >= key[None, :]).sum(0), later.sum(0), (later / (query[:, None] + 1.0)).sum(0)


def outliers(after, queries):
    """[(key, received, ratio, z)] of one head; after: [queries, keys]."""
    seen, later, even = key_facts(queries, after.shape[-1])
    received = after.sum(0)
    strictly = (np.abs(after) * (np.asarray(queries)[:, None] > np.arange(after.shape[-1])[None, :])).sum(0)
    chosen = np.flatnonzero((later >= 8) & (later * 8 >= len(queries)))
    if not len(chosen):
        return []
    c = strictly[chosen] / even[chosen]
    x = np.log(np.maximum(c, 1e-6))
    deviation = 1.4826 * np.median(np.abs(x - np.median(x)))
    if deviation == 0:
        return []
    z = (x - np.median(x)) / deviation
    return [(int(j), float(received[j] / seen[j]), float(c[i]), float(z[i])) for i, j in enumerate(chosen) if z[i] > 3.5]


def key_statistics(texts, layer, head):
    """{name: {class: value}}, pooled over texts, of one layer and head."""
    sums = {}

    def add(name, c, value):
        for k in (c, "all"):
            sums[name, k] = sums.get((name, k), 0.0) + value

    for t in texts:
        after, queries, classes = t["after"][layer][head], t["queries"], t["classes"]
        seen, later, even = key_facts(queries, after.shape[-1])
        strictly = np.abs(after) * (np.asarray(queries)[:, None] > np.arange(after.shape[-1])[None, :])
        for j, c in enumerate(classes):
            bucket = max(b for b in BUCKETS if b <= j)
            if seen[j]:
                add("keys", c, 1)
                add("received", c, after[:, j].sum() / seen[j])
            add("later", c, strictly[:, j].sum())
            add("even", c, even[j])
            add(f"later{bucket}", c, strictly[:, j].sum())
            add(f"even{bucket}", c, even[j])
        for j, *_ in outliers(after, queries):
            add("outliers", classes[j], 1)
    out = {}
    for c in CLASSES + ["all"]:
        if not sums.get(("keys", c)):
            continue
        out.setdefault("received", {})[c] = sums["received", c] / sums["keys", c]
        for suffix, name in [("", "received_ratio")] + [(b, f"received_ratio_at_{b}") for b in BUCKETS]:
            even = sums.get((f"even{suffix}", c), 0)
            out.setdefault(name, {})[c] = sums[f"later{suffix}", c] / even if even > 0 else None
        out.setdefault("outlier_keys", {})[c] = sums.get(("outliers", c), 0.0) / len(texts)
    return out


def statistics(texts, settings):
    """{name: {class: [layers, heads]}}, pooled over texts. A text: after, before [layers, heads, queries, keys],
    after0, before0 of layer 0, queries, classes of all its tokens."""
    layers, heads = texts[0]["after"].shape[:2]
    rows, classes = {}, []
    for t in texts:
        key, query = np.arange(t["after"].shape[-1]), np.asarray(t["queries"])
        mask = (t["before0"] > np.float32(settings["threshold"])) & (key[None, :] != query[:, None])
        for l in range(layers):
            for name, values in row_statistics(t["after"][l], t["before"][l], t["queries"], t["classes"], mask,
                                               t["after0"], settings).items():
                rows.setdefault((name, l), []).append(values)
        classes += [t["classes"][q] for q in t["queries"]]
    out = {}
    for (name, l), parts in rows.items():
        values = np.concatenate(parts, -1)  # [heads, all queries]
        for c in ["all"] + CLASSES:
            chosen = [c in ("all", k) for k in classes]
            if any(chosen):
                out.setdefault(name, {}).setdefault(c, [None] * layers)[l] = means(values[:, chosen])
    if not any((t["after"] < 0).any() for t in texts):
        del out["mass_negative"]
    for l in range(layers):
        for h in range(heads):
            for name, by_class in key_statistics(texts, l, h).items():
                for c, value in by_class.items():
                    grid = out.setdefault(name, {}).setdefault(c, [[None] * heads for _ in range(layers)])
                    grid[l][h] = value
    return out


def means(values):
    """Of each head's rows that have a value; None where none has."""
    known = ~np.isnan(values)
    if known.all():
        return values.mean(-1).tolist()
    return [float(v[k].mean()) if k.any() else None for v, k in zip(values, known)]


def row_counts(texts):
    """Rows with negative weights and rows of zeros: [layers, heads] each."""
    counts = [sum(np.asarray(of(t["after"])).sum(-1) for t in texts)
              for of in (lambda a: (a < 0).any(-1), lambda a: (a == 0).all(-1))]
    return {"negative_rows": counts[0].tolist(), "zero_rows": counts[1].tolist()}


def all_outliers(text):
    layers, heads = text["after"].shape[:2]
    return [{"layer": l, "head": h, "key": j, "received": r, "ratio": c, "z": z}
            for l in range(layers) for h in range(heads) for j, r, c, z in outliers(text["after"][l][h], text["queries"])]


def synthetic_text(rng, settings, layers, heads, keys, queries):
    """Maps with a sink, local heads and flat ones, re-balanced in later layers; float32, as the engine writes them."""
    key, query = np.arange(keys), np.asarray(queries)
    scores = rng.normal(0, 2, (layers, heads, len(query), keys))
    scores[:, 0, :, 0] += 6
    scores[:, :, :, keys // 3] += 4
    scores[:, -1] -= 0.4 * np.abs(query[:, None] - 1 - key[None, :])
    scores = np.where(key[None, :] <= query[:, None], scores, -np.inf)
    before = np.exp(scores - scores.max(-1, keepdims=True))
    before = (before / before.sum(-1, keepdims=True)).astype(np.float32)
    mask = (before[0] > np.float32(settings["threshold"])) & (key[None, :] != query[:, None])
    after = before.copy()
    for l in range(1, layers):
        excess = np.float32(settings["alpha"] * (1 - l / settings.get("depth", layers - 1)))
        if settings.get("mode") == "self":
            after[l] = before[l] * (np.float32(1) + excess)
        else:
            after[l] = np.where(mask, before[l] + before[l] * excess, before[l])
    classes = [CLASSES[i] for i in rng.integers(1, 6, keys)]
    classes[0] = "special"
    return {"after": after, "before": before, "after0": after[0], "before0": before[0], "queries": list(map(int, queries)),
            "classes": classes}


def write_goldens():
    rng = np.random.default_rng(14)
    cases = []
    for name, alpha, threshold, window, shapes, *more in [
            ("plain", 0.0, 0.01, 8, [(41, range(41))]),
            ("rebalanced", 0.7, 0.05, 4, [(60, range(60))]),
            ("some_queries", 0.7, 0.02, 3, [(50, [3, 4, 9, 10, 11, 12, 13, 14, 20, 21, 22, 30, 31, 40])]),
            ("pooled", 0.3, 0.01, 8, [(12, range(12)), (70, range(70)), (2, range(2))]),
            # Of layers 1 and 2: -2 and 1 under M; 1 and -2, 0 and 1 for all weights.
            ("negative", -6.0, 0.02, 5, [(40, range(40))]),
            ("some_negative", -6.0, 0.05, 8, [(30, [2, 3, 4, 9, 10, 11, 17, 18, 19, 20, 24, 28]), (9, range(9))]),
            ("turned", 3.0, 0.01, 8, [(33, range(33))], {"depth": 1, "mode": "self"}),
            ("nothing", -2.0, 0.01, 8, [(20, range(20))], {"depth": 2, "mode": "self"})]:
        settings = {"alpha": alpha, "threshold": threshold, "window": window, **(more[0] if more else {})}
        texts = [synthetic_text(rng, settings, 3, 2, keys, queries) for keys, queries in shapes]
        files = []
        for i, t in enumerate(texts):
            files.append([f"{name}_{i}_{kind}.npy" for kind in ("before", "after")])
            for file, kind in zip(files[-1], ("before", "after")):
                np.save(HERE / file, t[kind])
        wide = [{k: v.astype(float) if isinstance(v, np.ndarray) else v for k, v in t.items()} for t in texts]
        cases.append({"name": name, **settings, "statistics": statistics(wide, settings),
                      "outliers": all_outliers(wide[-1]), **row_counts(wide),
                      "texts": [{"before": f[0], "after": f[1], "queries": t["queries"], "classes": t["classes"]}
                                for f, t in zip(files, texts)]})
    lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
    (HERE / "cases.json").write_text('{"cases":[\n' + lines + "\n]}\n")
    found = [len(c["outliers"]) for c in cases]
    print(f"{len(cases)} cases, outliers {found}, "
          f"{sum(p.stat().st_size for p in HERE.iterdir()) / 1e6:.2f} MB")
    if not any(found):
        sys.exit("expected some outliers, got none; choose other maps")


def check(directory):
    """Prints the largest difference of each statistic; fails where one is above 1e-6 (of 1 or of the value)."""
    directory = pathlib.Path(directory)
    index = json.loads((directory / "attention.json").read_text())
    written = {a["arm"]: a for a in json.loads((directory / "statistics.json").read_text())["arms"]}
    if index["layers"][0] != 0:
        sys.exit("[--check] expected a directory with layer 0; capture with --layers 0,...")
    worst = 0.0
    for arm in index["arms"]:
        maps = {k: np.load(directory / arm["files"][k]).astype(float) for k in ("attention", "attention_before")}
        text = {"after": maps["attention"], "before": maps["attention_before"], "after0": maps["attention"][0],
                "before0": maps["attention_before"][0].astype(np.float32), "queries": index["queries"],
                "classes": [t["class"] for t in index["tokens"]]}
        expected = statistics([text], {"threshold": arm["threshold"], "window": index["window"]})
        got = written[arm["name"]]["statistics"]
        for name, rows in row_counts([text]).items():
            assert written[arm["name"]].get(name, np.zeros_like(rows).tolist()) == rows, name
        expected = {n: {c: v for c, v in by_class.items() if c == "all" or any(x is not None for x in np.ravel(v))}
                    for n, by_class in expected.items()}  # classes without a value are not written
        assert {(n, c) for n in expected for c in expected[n]} == {(n, c) for n in got for c in got[n]}, "names differ"
        for name in expected:
            for c in expected[name]:
                for a, b in zip(np.ravel(expected[name][c]), np.ravel(got[name][c])):
                    assert (a is None) == (b is None), (name, c)
                    if a is not None:
                        worst = max(worst, abs(a - b) / max(1, abs(a)))
        mine = [(o["layer"], o["head"], o["key"]) for o in all_outliers(text)]
        theirs = [(index["layers"].index(o["layer"]), index["heads"].index(o["head"]), o["key"])
                  for o in written[arm["name"]]["outliers"]]
        assert mine == theirs, (mine, theirs)
        received = np.load(directory / arm["files"]["received"])
        seen = np.maximum(key_facts(index["queries"], index["keys"])[0], 1)
        worst = max(worst, float(np.abs(received - text["after"].sum(2) / seen).max()))
        print(f"{arm['name']}: {len(expected)} statistics, {len(mine)} outliers")
    print(f"largest difference {worst:.1e}")
    if worst > 1e-6:
        sys.exit("[--check] expected differences up to 1e-6")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--check", metavar="OUT_DIR", help="compare a directory's statistics with those of its dense maps")
    a = ap.parse_args()
    check(a.check) if a.check else write_goldens()


main()
