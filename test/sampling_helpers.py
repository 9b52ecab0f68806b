"""A tiny model, requests for it, and a plain re-implementation of sampling to compare with."""

import torch

from asynfusion_ros.diffusion import ddim_step, ddim_timesteps, lcm_step, lcm_timesteps
from asynfusion_ros.networks import Known, MannerBatch, NetworkSettings
from asynfusion_ros.sampling import (
    SamplerSettings,
    SequentialSampler,
    WindowRequest,
    untrained_checkpoint,
)
from asynfusion_ros.sampling.noise import draw_noise

TINY = NetworkSettings(
    face_dim=5, body_dim=3, audio_dim=7, width=8, depth=2, heads=2, window_frames=6, speakers=4
)
DIMS = {"expression": 5, "gesture": 3}
MODEL = untrained_checkpoint(TINY)


def make_request(index=0, known=0, batch=1, frames=6, seed=0, **changes):
    generator = torch.Generator().manual_seed(100 * seed + index)
    draw = lambda *shape: torch.randn(shape, generator=generator)  # noqa: E731
    values = {
        "audio": draw(batch, frames, 7),
        "manner": MannerBatch(torch.arange(batch) % 4),
        "known_face": draw(batch, known, 5) if known else None,
        "known_body": draw(batch, known, 3) if known else None,
    }
    return WindowRequest(index=index, seed=seed, **{**values, **changes})


def same(one, other):
    return torch.equal(one.face, other.face) and torch.equal(one.body, other.body)


class PlainSampler:
    """The algorithm written down once more, as directly as possible: no threads, no traces.

    `order` lists (branch, step) after the joint first step; each reads the newest features.
    """

    def __init__(self, checkpoint, method, counts):
        self.method, self.network = method, checkpoint.network(method)
        self.schedule = checkpoint.description.schedule
        self.prediction = checkpoint.description.prediction
        times = lcm_timesteps if method == "lcm" else ddim_timesteps
        self.times = {name: times(counts[name]) for name in DIMS}

    def run(self, request, order, joint=1):
        batch, frames, _ = request.audio.shape
        with torch.inference_mode():
            condition = self.network.condition(request.audio, request.manner)
            x, known, features = {}, {}, {}
            for name, dim in DIMS.items():
                given, known[name] = request.known(name), None
                x[name] = draw_noise(request, name, 0, (batch, frames, dim))
                if given is None:
                    continue
                count = given.shape[1]
                values = torch.zeros(batch, frames, dim)
                values[:, :count] = given
                mask = (torch.arange(frames) < count).float()[None, :, None]
                known[name] = Known(values, mask.repeat(batch, 1, 1))
                x[name] = self.impose(request, name, x[name], self.times[name][0], 0)
            for step in range(joint):
                t = [torch.full((batch,), self.times[name][step]) for name in DIMS]
                outputs = self.network(*x.values(), *t, condition, *known.values())
                both = self.said_together(x, t, condition, known)
                for name, output, said in zip(DIMS, outputs, both, strict=True):
                    x[name] = self.advance(request, name, x[name], output, step)
                    features[name] = said
            for name, step in order:
                branch = getattr(self.network, name)
                other = next(key for key in DIMS if key != name)
                t = torch.full((batch,), self.times[name][step])
                output, features[name] = branch.forward_with_partner(
                    x[name], t, getattr(condition, name), known[name], features[other]
                )
                x[name] = self.advance(request, name, x[name], output, step)
            return x["expression"], x["gesture"]

    def said_together(self, x, t, condition, known):
        names = list(DIMS)
        branches = [getattr(self.network, name) for name in names]
        conditions = [getattr(condition, name) for name in names]
        states = [
            b.begin(x[n], time, c, known[n])
            for b, n, time, c in zip(branches, names, t, conditions, strict=True)
        ]
        said = ([], [])
        for i in range(TINY.depth):
            f = [b.block(i, s, c) for b, s, c in zip(branches, states, conditions, strict=True)]
            states = [branches[k].interact(i, states[k], f[k], f[1 - k]) for k in (0, 1)]
            said[0].append(f[0])
            said[1].append(f[1])
        return tuple(said[0]), tuple(said[1])

    def advance(self, request, name, x, output, step):
        times, schedule = self.times[name], self.schedule
        t = times[step]
        t_next = times[step + 1] if step + 1 < len(times) else -1
        x0 = schedule.predict_x0(self.prediction, output, x, t)
        draw = step + 1 if self.method == "lcm" and t_next >= 0 else 0
        if self.method == "lcm":
            noise = draw_noise(request, name, draw, tuple(x.shape))
            x, _ = lcm_step(schedule, x0, x, t, t_next, noise=noise)
        else:
            guess = schedule.predict_noise(self.prediction, output, x, t)
            x = ddim_step(schedule, x0, guess, t_next)
        return self.impose(request, name, x, t_next, draw)

    def impose(self, request, name, x, t, draw):
        given = request.known(name)
        if given is None:
            return x
        count, x = given.shape[1], x.clone()
        noise = draw_noise(request, name, draw, tuple(x.shape))[:, :count]
        noised = self.schedule.add_noise(given, noise, t)
        if self.schedule.noise_level(t) < 0.2:
            weight = torch.linspace(0.0, 1.0, count)[:, None]
            x[:, :count] = noised + weight * (x[:, :count] - noised)
        else:
            x[:, :count] = noised
        return x


def sampler(model=MODEL, **changes):
    """A sequential sampler with settings of one's own."""
    # Untraced: as exact, and quicker to make (see test_sampling_staged.py).
    plain = {"traced": False, "runtime": "torch"}
    return SequentialSampler(model, SamplerSettings(**{**plain, **changes}))
