"""What each method of --intervene does to attention, in NumPy and in float64: the executable specification.

A part takes the weights of one layer, [heads, queries, keys], as the part before it left them. `chosen` are the keys
of keys=, a mask [keys]; layers=, heads= and rows= say where the result counts. Sources are in docs/interventions.md.
"""
import numpy as np


def mass(weights):
    return weights.sum(-1, keepdims=True)


def kept(new, old):
    """Rows keep the mass that they had; a row that lost all stays without."""
    total = mass(new)
    return new * np.divide(mass(old), total, out=np.zeros_like(total), where=total != 0)


def softmax(scores, sink):
    """Of scores [heads, queries, keys], with a sink's score where the model has one. A row of -inf is a row of 0."""
    largest = scores.max(-1, keepdims=True)
    if sink is not None:
        largest = np.maximum(largest, sink)
    largest = np.where(np.isinf(largest), 0, largest)
    new = np.exp(scores - largest)
    total = mass(new) + (0 if sink is None else np.exp(sink - largest))
    return np.divide(new, total, out=np.zeros_like(new), where=total != 0)


class Part:
    def __init__(self, method, keys=None, layers=None, heads=None, rows=None, **settings):
        self.method, self.keys, self.layers, self.heads, self.rows = method, keys, layers, heads, rows
        self.s = settings
        self.mask = self.prompt = None

    def of_scores(self, scores, chosen, prompt):
        """The method as a change of scores, for those that are one."""
        name, s = self.method, self.s
        if name == "guide":
            return np.where(chosen, scores + s.get("delta", 2), scores)
        if name in ("knockout", "nosink"):
            return np.where(chosen, -np.inf, scores)
        if name == "temperature":
            return scores / s["tau"]
        if name == "uniform":
            return np.where(np.isinf(scores), scores, 0)
        if name == "pasta" and chosen.any():
            alpha = s.get("alpha", 0.01)
            alpha = 1 / alpha if s.get("mode") == "include" else alpha
            inside, rest = 1.0, alpha
            if s.get("variant") == "published":  # once for each span
                spans = int(chosen[0]) + int((np.diff(chosen.astype(int)) == 1).sum())
                inside, rest = alpha ** (spans - 1), alpha**spans
            of_prompt = np.arange(len(chosen)) < prompt
            return scores + np.log(np.where(of_prompt, np.where(chosen, inside, rest), 1.0))
        return None

    def of_weights(self, layer, layers, weights, distance, chosen):
        name, s = self.method, self.s
        if name == "rebalance":
            if layer == 0:
                self.mask = (weights > s.get("threshold", 0.01)) & (distance != 0)
                return weights
            factor = 1 + s.get("alpha", 0.2) * (1 - layer / s.get("depth", layers - 1))
            where = np.ones_like(self.mask) if s.get("mode") == "self" else self.mask
            return np.where(where, weights * factor, weights)
        if name == "scale":
            new = np.where(chosen, weights * s["factor"], weights)
            return new if s.get("renormalise") == "no" else kept(new, weights)
        if name == "boost":
            return kept(np.where(chosen, weights * s.get("factor", 3), weights), weights)
        if name == "spotlight" and s.get("scope") == "layer":  # one c for the prompt's rows, one for each later row
            share, acts = s.get("target", 0.2), self.acts
            factor = np.ones(weights.shape[1])
            for rows in [np.arange(self.prompt)] + [[i] for i in range(self.prompt, weights.shape[1])]:
                all_of = (weights * acts)[:, rows].sum()
                c = (weights * acts * chosen)[:, rows].sum() / all_of if all_of else 0
                factor[rows] = share / c if 0 < c < share else 1
            return kept(np.where(chosen, weights * factor[None, :, None], weights), weights)
        if name == "act":
            n = self.prompt
            received = weights[:, :n, :n].sum(1) / (n - np.arange(n))
            assert np.abs(received - s["theta"]).min() > 1e-5
            sinks = np.zeros((len(weights), 1, weights.shape[-1]), bool)
            for head, of_head in enumerate(received):
                sinks[head, 0, np.flatnonzero(of_head > s["theta"])[1:]] = True
            of_sinks, rest = mass(weights * sinks), mass(weights * ~sinks)
            more = np.divide((1 - s["beta"]) * of_sinks, rest, out=np.zeros_like(rest), where=rest > 0)
            return np.where(rest > 0, weights * np.where(sinks, s["beta"], 1 + more), weights)
        if name == "spotlight":
            share = s.get("target", 0.2)
            total = mass(weights)
            c = np.divide(mass(weights * chosen), total, out=np.zeros_like(total), where=total != 0)
            few = (c > 0) & (c < share)
            factor = np.where(few, share * (1 - c) / np.where(few, c * (1 - share), 1), 1)
            return kept(np.where(chosen, weights * factor, weights), weights)
        if name == "zero":
            return np.zeros_like(weights)
        # What acts on scores, after a part that acted on weights: on their logarithms, and rows keep their mass.
        with np.errstate(divide="ignore"):
            scores = self.of_scores(np.log(np.abs(weights)), chosen, self.prompt)
        return kept(np.sign(weights) * np.exp(scores), weights) if name != "uniform" else kept(np.exp(scores), weights)

    def where(self, layer, shape, prompt):
        """[heads, queries, 1]: what of the layer it acts on."""
        heads = np.array([self.heads is None or (layer, h) in self.heads for h in range(shape[0])])
        rows = np.array([self.rows is None or bool(self.rows(i, prompt)) for i in range(shape[1])])
        return (self.layers is None or layer in self.layers) & heads[:, None, None] & rows[None, :, None]

    def chosen(self, keys, prompt):
        return np.array([self.keys is not None and bool(self.keys(j, prompt)) for j in range(keys)])


class Interventions:
    """Parts from left to right, for specification.Model.forward of ../families, which says `before_softmax`."""

    def __init__(self, parts, layers, prompt):
        self.parts, self.layers = parts, layers
        for part in parts:
            part.prompt = prompt
        self.prompt = prompt

    def __call__(self, layer, weights, distance):
        scores, sink = self.before_softmax
        on_scores = True
        for part in self.parts:
            chosen = part.chosen(weights.shape[-1], self.prompt)
            if part.method in ("mean", "seka"):  # not of weights
                continue
            where = part.acts = part.where(layer, weights.shape, self.prompt)
            changed = part.of_scores(scores, chosen, self.prompt) if on_scores else None
            if changed is not None:
                scores = np.where(where, changed, scores)
                weights = softmax(scores, sink)
                continue
            if part.method not in ("pasta",) or chosen.any():
                on_scores = False
                weights = np.where(where, part.of_weights(layer, self.layers, weights, distance, chosen), weights)
        return weights

    def outputs(self, layer, out):
        """What heads put out, [heads, queries, head_dim], after all that changes weights."""
        for part in self.parts:
            if part.method == "mean":
                out = np.where(part.where(layer, out.shape, self.prompt), part.s["means"][layer][:, None], out)
        return out

    def keys(self, layer, keys):
        """Keys before rotation, [kv_heads, keys, head_dim]."""
        for part in self.parts:
            if part.method != "seka" or (part.layers is not None and layer not in part.layers):
                continue
            chosen = part.chosen(keys.shape[1], self.prompt)[None, :, None]
            others = ~chosen & (np.arange(keys.shape[1]) < self.prompt)[None, :, None]
            gain, negative = part.s.get("gain", 0.8), part.s.get("negative", 0.2)
            positive = keys @ part.s["positive"][layer].transpose(0, 2, 1)
            keys = keys + chosen * gain * positive + others * negative * (keys @ part.s["negatives"][layer].transpose(0, 2, 1))
        return keys
