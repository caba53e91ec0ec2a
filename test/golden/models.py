"""
Writes models.jsonl: what torchvision's models compute with weights that test/models/torchvision.test.ts makes by the same rule, in float64:
logits in evaluation, and the gradients of one training step without dropout, a norm and a projection a parameter.

  /usr/bin/python3 test/golden/models.py            all of them, some minutes
  /usr/bin/python3 test/golden/models.py resnet18   only these; the other lines stay
"""

import json
import re
import sys
import warnings
from hashlib import sha256
from math import prod
from pathlib import Path

import numpy as np
import torch
import torchvision
from torchvision.ops import StochasticDepth

warnings.filterwarnings("ignore")
OUT = Path(__file__).parent / "models.jsonl"
INPUT, COTANGENT, DIRECTION = 1_000_000, 2_000_000, 3_000_000

# nabla's name → torchvision's name, edge of the images, images, factor on the variance of weights, options of both.
MODELS = {
    "alexnet": ("alexnet", 96, 2, 2, {}),
    **{f"vgg{depth}": (f"vgg{depth}", 48, 2, 2, {}) for depth in [11, 13, 16, 19]},
    **{f"vgg{depth} batchNorm": (f"vgg{depth}_bn", 48, 3, 2, {}) for depth in [11, 13, 16, 19]},
    **{f"resnet{depth}": (f"resnet{depth}", 64, 4, 1, {}) for depth in [18, 34, 50, 101, 152]},
    "googlenet": ("googlenet", 96, 3, 2, {"init_weights": True}),
    "inceptionV3": ("inception_v3", 299, 3, 2, {"init_weights": True}),
    "mobilenetV2": ("mobilenet_v2", 64, 4, 2, {}),
    "mobilenetV3Small": ("mobilenet_v3_small", 64, 4, 2, {}),
    "mobilenetV3Large": ("mobilenet_v3_large", 64, 4, 2, {}),
    **{f"efficientnetB{i}": (f"efficientnet_b{i}", 64, 4, 2 if i < 4 else 1.85, {}) for i in range(8)},
    "densenet121": ("densenet121", 64, 4, 1, {}),
    "convnextTiny": ("convnext_tiny", 64, 2, 1, {}),
    "vitB16": ("vit_b_16", 224, 1, 1, {}),
}


def uniform(count, stream):
    """Numbers in [−½, ½): a hash of position and stream, exact in float32."""
    h = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B1) + np.uint32(stream * 0x85EBCA6B % 2**32)
    for shift, factor in [(16, 0x7FEB352D), (15, 0x846CA68B)]:
        h = (h ^ (h >> np.uint32(shift))) * np.uint32(factor)
    return ((h ^ (h >> np.uint32(16))) >> np.uint32(8)).astype(np.float64) / 2**24 - 0.5


def tensor(shape, stream):
    return torch.from_numpy(uniform(prod(shape), stream)).reshape(shape)


def our_name(name):
    def branch(match):
        return ".".join(str(part) for part in [match[1], int(match[2]) - 1, match[3]] if part != "")

    name = re.sub(r"(branch\w+)_(\d)([ab]?)(?=\.)", branch, name)
    name = re.sub(r"layer_scale$", "layer_scale.weight", name)
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


def value(name, shape, stream, gain):
    if name.endswith("layerScale.weight"):
        shape = shape[:1]
    u = tensor(shape, stream)
    if len(shape) == 4 or len(shape) == 2:
        u = u * (12 * gain / prod(shape[1:])) ** 0.5
    elif len(shape) == 1:
        u = u / 2 + 1 if name.endswith("weight") or name.endswith("runningVar") else u / 5
    return u.float().double()


def digits(x, n):
    return float(f"{float(x):.{n}g}")


def line(name, theirs, size, batch, gain, options):
    make = getattr(torchvision.models, theirs)
    torch.manual_seed(0)
    whole = make(**options)
    model = make(num_classes=10, **options).double()
    for module in model.modules():
        if isinstance(module, (torch.nn.Dropout, StochasticDepth)):
            module.p = 0

    state = {our_name(key): x for key, x in model.state_dict().items() if not key.endswith("num_batches_tracked")}
    names = sorted(state)
    for stream, key in enumerate(names):
        state[key].copy_(value(key, list(state[key].shape), stream, gain).reshape(state[key].shape))

    x = tensor([batch, 3, size, size], INPUT) * 4
    logits = model.eval()(x.double())
    y = model.train()(x)
    if name == "googlenet":  # this version names its auxiliary logits the wrong way round
        y = (y.logits, y.aux_logits2, y.aux_logits1)
    heads = y if isinstance(y, tuple) else (y,)
    sum((h * tensor(h.shape, COTANGENT + i)).sum() for i, h in enumerate(heads)).backward()

    parameters = {our_name(key): p for key, p in model.named_parameters()}
    gradients = [(parameters[key].grad, DIRECTION + stream) for stream, key in enumerate(names) if key in parameters]
    initial = {our_name(key): p for key, p in whole.named_parameters()}
    return {
        "model": name,
        "size": size,
        "batch": batch,
        "gain": gain,
        "parameters": sum(p.numel() for p in whole.parameters()),
        # All names and shapes, in PyTorch's layout.
        "layout": sha256("".join(f"{key} {prod(state[key].shape)}\n" for key in names).encode()).hexdigest()[:16],
        "logits": [digits(v, 7) for v in logits.flatten()],
        "norms": [digits(g.norm(), 5) for g, _ in gradients],
        "projections": [digits((g * tensor(g.shape, stream)).sum(), 5) for g, stream in gradients],
        # Root mean squares of fresh parameters.
        "initial": [digits(initial[key].square().mean().sqrt(), 3) for key in names if key in initial],
    }


def save():
    OUT.write_text("".join(kept[name] + "\n" for name in MODELS if name in kept))


kept = {json.loads(text)["model"]: text for text in OUT.read_text().splitlines()} if OUT.exists() else {}
for name in sys.argv[1:] or MODELS:
    kept[name] = json.dumps(line(name, *MODELS[name]), separators=(",", ":"))
    save()
