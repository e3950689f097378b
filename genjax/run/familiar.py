"""Answers to options that other programs have and these do not: what to type instead."""

import dataclasses
from collections.abc import Sequence

FAMILIAR: dict[str, tuple[str, ...]] = {
    "lr": ("learning_rate", "generator_rate", "discriminator_rate", "rate"),
    "lr_g": ("generator_rate",),
    "lr_d": ("discriminator_rate",),
    "g_lr": ("generator_rate",),
    "d_lr": ("discriminator_rate",),
    "bs": ("batch_size",),
    "batch": ("batch_size",),
    "epoch": ("epochs",),
    "num_epochs": ("epochs",),
    "n_epochs": ("epochs",),
    "iterations": ("steps",),
    "max_steps": ("steps",),
    "num_steps": ("steps",),
    "niter": ("epochs", "steps"),
    "output_dir": ("out",),
    "out_dir": ("out",),
    "outdir": ("out",),
    "output": ("out",),
    "outf": ("out",),
    "log_dir": ("out",),
    "logdir": ("out",),
    "save_dir": ("out",),
    "name": ("out",),
    "dataset": ("data",),
    "dataroot": ("data",),
    "data_dir": ("data",),
    "data_path": ("data",),
    "data_root": ("data",),
    "img_size": ("image_size",),
    "resolution": ("image_size",),
    "nz": ("latent",),
    "z_dim": ("latent",),
    "latent_dim": ("latent",),
    "ngf": ("width",),
    "ndf": ("discriminator_width", "width"),
    "wd": ("weight_decay",),
    "adam_beta1": ("beta1",),
    "gpus": ("devices",),
    "gpu": ("devices",),
    "gpu_ids": ("devices",),
    "ngpu": ("devices",),
    "num_gpus": ("devices",),
    "world_size": ("processes",),
    "amp": ("precision",),
    "fp16": ("precision",),
    "bf16": ("precision",),
    "half": ("precision",),
    "mixed_precision": ("precision",),
    "gradient_accumulation_steps": ("accumulate",),
    "grad_accum": ("accumulate",),
    "gradient_checkpointing": ("remat",),
    "max_grad_norm": ("clip",),
    "grad_clip": ("clip",),
    "warmup": ("rate_warm_up",),
    "warmup_steps": ("rate_warm_up",),
    "tensorboard": ("log",),
    "wandb": ("log",),
    "use_wandb": ("log",),
    "mlflow": ("log",),
    "save_every": ("checkpoint_every",),
    "save_interval": ("checkpoint_every",),
    "eval_every": ("evaluate_every",),
    "eval_interval": ("evaluate_every",),
    "log_interval": ("evaluate_every",),
    "sample_interval": ("evaluate_every",),
    "save_best": ("keep_best",),
    "pretrained": ("init_from", "weights"),
    "finetune": ("init_from",),
    "checkpoint": ("resume", "run"),
    "ckpt": ("resume", "run"),
    "resume_from": ("resume",),
    "num_samples": ("count",),
    "n_samples": ("count",),
    "samples": ("count",),
    "trunc": ("truncation",),
    "class": ("labels", "target"),
    "classes": ("labels",),
    "random_seed": ("seed",),
    "manual_seed": ("seed",),
    "manualseed": ("seed",),
    "dry_run": ("describe",),
    "summary": ("describe",),
}
"""{word: fields that say it here}; those that an options class has are told."""

NEEDLESS = {
    "num_workers": "images are read by as many threads as the machine has cores",
    "workers": "images are read by as many threads as the machine has cores",
    "n_cpu": "images are read by as many threads as the machine has cores",
    "pin_memory": "images go to the devices ahead of the step",
    "cuda": "every device that JAX sees is used: pip install '.[cuda]' for GPUs of NVIDIA",
    "device": "every device that JAX sees is used; --devices N takes the first N, JAX_PLATFORMS=cpu none but the CPU",
    "compile": "every step is compiled",
    "local_rank": "processes of a scheduler are joined by themselves; --processes N starts some on a CPU",
    "distributed": "all devices are used; processes of a scheduler are joined by themselves",
    "ddp": "all devices are used; processes of a scheduler are joined by themselves",
    "verbose": "what is done is told on stderr, and kept in metrics.jsonl and card.md",
    "deterministic": "every run is: equal seeds give equal bits on one machine",
    "config": "options are given one by one, or as a preset: the first word after the recipe's name",
}
"""{word: why there is nothing to give}."""


def check_familiar(options: type, arguments: Sequence[str]) -> None:
    """Raise ValueError, which says what to type, for the first option that has another name here or is not needed."""
    known = {field.name for field in dataclasses.fields(options)}
    for argument in arguments:
        word = argument.removeprefix("--").split("=")[0].replace("-", "_").lower()
        if not argument.startswith("--") or word in known or word.removeprefix("no_") in known:
            continue
        meant = [f"--{name.replace('_', '-')}" for name in FAMILIAR.get(word, ()) if name in known]
        if meant:
            flag = argument.split("=")[0]
            raise ValueError(f"there is no option {flag}; here it is {' and '.join(meant)} (see --help)")
        if word in NEEDLESS:
            raise ValueError(f"there is no option {argument.split('=')[0]}: {NEEDLESS[word]}; leave it out")
