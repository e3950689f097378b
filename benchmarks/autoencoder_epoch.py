"""How long is an epoch of the two articles' VAEs, against PyTorch on the same machine in the same run?

    python -m benchmarks.autoencoder_epoch [--data mnist.npz]

genjax's compiled epoch; a tight PyTorch loop over a tensor in memory; and, for the PyTorch article, whose objective is
written with log(y + 1e-8), the tight loop with that objective too, and the article's own loop (DataLoader, 4 workers,
transforms image by image). Compilation is timed apart. The process is set up as that of a recipe, which keeps freed
memory, PyTorch's too. Each is also put beside what the machine's matrix products alone would take. Needs torch:
pip install '.[bench]'.
"""

import argparse
import time
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks import _result
from genjax import data, parallel, rng
from genjax.autoencoders import vae
from genjax.data import Arrays, transforms
from genjax.data.pipeline import order
from genjax.engine import init_state, make_run, make_step
from genjax.run.autoencoder import coders, optimizer, weight
from genjax.run.devices import configure
from genjax.run.run import recipe

IMAGES = 60_000


def training_images(spec: str) -> np.ndarray:
    """Return uint8[60000, 28, 28, 1]: the data set's, or the digits enlarged and repeated to MNIST's size."""
    split = data.load(spec, image_size=28).train
    images = split.take(np.arange(len(split)))["images"]
    return np.resize(images, (IMAGES, *images.shape[1:]))


def genjax_epoch(hyper: Any, images: np.ndarray):
    """Return (a function that trains one epoch, seconds to compile it, its FLOPs)."""
    model = vae.VAE(**coders(hyper), image_shape=(28, 28, 1))
    tx = optimizer(hyper).transformation(1)
    game = vae.game(model, tx, beta=weight(hyper), samples=hyper.samples)
    plan = parallel.jit_plan(jax.devices()[:1])
    source = plan.put_source(Arrays({"images": images}).arrays)
    steps = IMAGES // hyper.batch_size
    key = jax.random.key(0)
    state = plan.put_state(init_state(game, rng.named(key, "init")))
    step = make_step(game)
    batch = jax.eval_shape(
        partial(transforms.scale, key=key), {"images": jax.ShapeDtypeStruct((1, hyper.batch_size, 28, 28, 1), np.uint8)}
    )
    cost = jax.jit(step).lower(jax.eval_shape(lambda: init_state(game, key)), batch, key).cost_analysis()
    epoch = 0

    def indices():
        return plan.put_batches(order(IMAGES, hyper.batch_size, 0, epoch * steps, steps)[:, None])

    start = time.perf_counter()
    compiled: Any = plan.compile(make_run(step, transforms.scale))
    run = compiled.lower(state, source, indices(), key).compile()
    compile_seconds = time.perf_counter() - start

    def train():
        nonlocal state, epoch
        state, metrics = run(state, source, indices(), key)
        epoch += 1
        jax.block_until_ready(metrics)

    return train, compile_seconds, (cost or {}).get("flops", 0.0) * steps


def torch_epochs(hyper: Any, images: np.ndarray, article_loop: bool):
    """Return functions that train one epoch in plain PyTorch, by name."""
    import torch
    from torch import nn

    act = {"relu": nn.ReLU, "tanh": nn.Tanh}[hyper.activation]
    (hidden,) = hyper.hidden

    class Net(nn.Module):
        def __init__(self, logarithms):
            super().__init__()
            self.logarithms = logarithms
            norm = [nn.BatchNorm1d(hidden)] if hyper.batch_norm else []
            drop = [nn.Dropout(hyper.dropout)] if hyper.dropout else []
            self.body = nn.Sequential(nn.Linear(784, hidden), act(), *norm)
            self.mean, self.log_variance = nn.Linear(hidden, hyper.latent), nn.Linear(hidden, hyper.latent)
            self.decoder = nn.Sequential(nn.Linear(hyper.latent, hidden), act(), *drop, nn.Linear(hidden, 784))

        def forward(self, x):
            h = self.body(x)
            mean, lv = self.mean(h), self.log_variance(h)
            noise = torch.randn(hyper.samples, *mean.shape)
            z = (mean + torch.exp(0.5 * lv) * noise).reshape(-1, hyper.latent)
            logits = self.decoder(z).reshape(hyper.samples, len(x), 784)
            target = x.expand(hyper.samples, *x.shape)
            if self.logarithms:
                y = torch.sigmoid(logits)
                nll = -(target * torch.log(y + 1e-8) + (1 - target) * torch.log(1 - y + 1e-8)).sum() / hyper.samples
            else:
                nll = nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="sum") / hyper.samples
            kl = 0.5 * (mean.square() + lv.exp() - 1 - lv).sum()
            return (nll + hyper.beta * kl) / len(x)

    def train(net, optimizer, batches):
        net.train()
        for x in batches:
            optimizer.zero_grad(set_to_none=True)
            net(x).backward()
            optimizer.step()

    flat = torch.from_numpy(images.reshape(IMAGES, 784).astype(np.float32) / 255)

    def player(logarithms):
        net = Net(logarithms)
        return net, torch.optim.Adam(net.parameters(), lr=hyper.learning_rate)

    def tight(net, optimizer):
        shuffled = torch.randperm(IMAGES)
        starts = range(0, IMAGES - hyper.batch_size + 1, hyper.batch_size)
        train(net, optimizer, (flat[shuffled[i : i + hyper.batch_size]] for i in starts))

    loops = {"tight PyTorch loop": partial(tight, *player(logarithms=False))}
    if not article_loop:
        return loops
    loops["tight PyTorch loop, the article's objective"] = partial(tight, *player(logarithms=True))

    from PIL import Image

    class Images(torch.utils.data.Dataset):
        """As torchvision's MNIST with ToTensor and a flattening transform: a PIL image for every access."""

        def __len__(self):
            return IMAGES

        def __getitem__(self, index):
            picture = Image.fromarray(images[index, :, :, 0])
            array = torch.from_numpy(np.array(picture, np.uint8, copy=True)).view(28, 28, 1)
            return array.permute(2, 0, 1).contiguous().to(torch.float32).div(255).view(-1)

    loader = torch.utils.data.DataLoader(
        Images(), batch_size=hyper.batch_size, shuffle=True, num_workers=4, drop_last=True
    )
    net, optimizer = player(logarithms=True)
    return {**loops, "the article's loop and objective": partial(train, net, optimizer, loader)}


def main() -> None:
    """Measure both configurations and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits", help="digits (default), or a copy of MNIST as PATH.npz or idx:DIR")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    configure(cache=False)
    images, rate, rows = training_images(arguments.data), _result.product_rate(), []
    for title, preset, article_loop in (
        ("PyTorch article (784-20-10, batch 1000)", "pytorch", True),
        ("comparison article (784-128-16, k = 5, batch 100)", "article", False),
    ):
        hyper = recipe("vae").presets[preset]
        epoch, compile_seconds, flops = genjax_epoch(hyper, images)
        tasks = {"genjax": epoch, **torch_epochs(hyper, images, article_loop)}
        for task in tasks.values():
            task()
        seconds = _result.in_turns(tasks, arguments.repeats)
        for name, values in seconds.items():
            ratios = [other / own for other, own in zip(values, seconds["genjax"], strict=True)]
            rows.append(
                {
                    "configuration": title,
                    "loop": name,
                    "seconds per epoch: median (range)": _result.spread(values),
                    "times genjax: median (range)": _result.spread(ratios),
                    "share of the machine's product rate": f"{flops / min(values) / rate:.0%}",
                    "compile, s": f"{compile_seconds:.1f}" if name == "genjax" else "-",
                }
            )
    protocol = (
        f"60,000 images ({Path(arguments.data).name}), one epoch a time, loops in turns, {arguments.repeats} rounds "
        f"after one to warm up; product rate {rate / 1e9:.0f} GFLOP/s (float32, 2048 x 2048, measured before)"
    )
    _result.report("autoencoder_epoch", "One epoch of the articles' VAEs", protocol, rows)


if __name__ == "__main__":
    main()
