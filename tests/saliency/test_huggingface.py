"""The Flax networks of HuggingFace's transformers (4.48), cut at their layers as they are; weights are random."""

from functools import partial

import jax
import numpy as np
import pytest

from genjax.saliency import SOFTMAX, explain, grad_cam, grad_cam_pp, layer_names, split, split_tokens

transformers = pytest.importorskip("transformers")
if not hasattr(transformers, "FlaxResNetForImageClassification"):
    pytest.skip("this version of transformers has no Flax networks", allow_module_level=True)

IMAGE = np.asarray(jax.random.normal(jax.random.key(0), (32, 32, 3)))
STAGES = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "num_labels": 5}
TOKENS = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 32,
    "patch_size": 8,
    "num_labels": 5,
}
# name: (configuration, layer, where its output is, True for a grid of tokens after a class token)
NETWORKS = {
    "ResNet": (STAGES | {"layer_type": "basic"}, "resnet/encoder/stages/0", None, False),
    "RegNet": (STAGES | {"groups_width": 4}, "regnet/encoder/stages/0", None, False),
    "Vit": (TOKENS, "vit/encoder/layer/0", 0, True),
    "Beit": (TOKENS, "beit/encoder/layer/0", 0, True),
    "Dinov2": (TOKENS | {"mlp_ratio": 2}, "dinov2/encoder/layer/0", 0, True),
}
CLASSES = {"ResNet": "ResNet", "RegNet": "RegNet", "Vit": "ViT", "Beit": "Beit", "Dinov2": "Dinov2"}


def cut(name):
    """The network's split, and its logits of the image."""
    options, layer, activation, tokens = NETWORKS[name]
    configuration = getattr(transformers, f"{CLASSES[name]}Config")(**options)
    kind = getattr(transformers, f"Flax{CLASSES[name]}ForImageClassification")
    model = kind(configuration, input_shape=(1, 32, 32, 3))
    variables = model.params if "params" in model.params else {"params": model.params}
    assert layer in layer_names(model.module, variables, IMAGE, return_dict=True)
    where = {"return_dict": True, "logits": "logits", "activation": activation}
    if tokens:
        part = split_tokens(model.module, variables, layer, IMAGE, grid=(4, 4), **where)
    else:
        part = split(model.module, variables, layer, IMAGE, **where)
    return part, model.module.apply(variables, IMAGE[None]).logits[0]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_layer_of_a_network_is_explained(name):
    part, right = cut(name)
    a = part.features(IMAGE)
    assert a.ndim == 3
    np.testing.assert_allclose(part.head(a, IMAGE), right, rtol=1e-4, atol=1e-5)
    noise = np.asarray(jax.random.normal(jax.random.key(1), a.shape))
    assert np.abs(part.head(a + noise, IMAGE) - right).max() > 1e-6
    found = jax.jit(lambda x: explain(grad_cam, part, x, 1))(IMAGE)
    assert np.all(np.isfinite(found.raw)) and np.any(found.raw)


@pytest.mark.parametrize(("name", "route"), [("ResNet", "class moments"), ("Vit", "Taylor series")])
def test_the_exact_derivatives_take_the_route_of_the_network(name, route):
    part, _ = cut(name)
    found = jax.jit(lambda x: explain(partial(grad_cam_pp, score=SOFTMAX), part, x, 1))(IMAGE)
    assert found.route.name.startswith(route) and np.all(np.isfinite(found.raw))
