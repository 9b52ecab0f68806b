"""The graph sampler's model and settings, and the plain sampler that it must equal."""

import random

from sampling_helpers import DIMS, MODEL

from asynfusion_ros.sampling import SamplerSettings, SequentialSampler, Tick

EXACT = SamplerSettings(graph_precision="fp32", pacing="parallel", runtime="torch", traced=False)


def plain(settings=EXACT, model=MODEL):
    return SequentialSampler(model, settings.replace(execution="sequential"))


def distance(one, other):
    """The largest relative error of face and body."""
    pairs = ((one.face, other.face), (one.body, other.body))
    return max(float((a - b).norm() / b.norm()) for a, b in pairs)


def any_order(seed, counts=(4, 8), joint=1):
    """A random legal order of reads and publications."""
    rng, left = random.Random(seed), {}
    for name, count in zip(DIMS, counts, strict=True):
        left[name] = [Tick(name, s, k) for s in range(joint, count) for k in ("read", "publish")]
    order = []
    while any(left.values()):
        order.append(left[rng.choice([name for name in left if left[name]])].pop(0))
    return tuple(order)
