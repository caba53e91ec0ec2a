#!/usr/bin/env python3
"""Writes the golden numbers beside this file: what PyTorch computes, in f64, laid out as nabla has it (NHWC, HWIO, [in, out]).

    python3 test/golden/generate.py        # needs torch >= 1.13
"""
import json
from pathlib import Path

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def draw(*shape):
    """Normal numbers of few digits, which keep the files small."""
    return torch.randn(shape).mul(1000).round().div(1000)


def nhwc(x):
    return x.permute(0, 2, 3, 1) if x.dim() == 4 else x


def hwio(w):
    return w.permute(2, 3, 1, 0) if w.dim() == 4 else w.t() if w.dim() == 2 else w


def array(x):
    return {"shape": list(x.shape), "data": x.detach().contiguous().flatten().tolist()}


def write(name, cases):
    """`cases` draws while it is iterated over: each file from the same seed, whatever stands in the others."""
    torch.manual_seed(20240607)
    lines = [json.dumps(case) + "\n" for case in cases]
    (Path(__file__).parent / f"{name}.jsonl").write_text("".join(lines))


def layer(call, apply, x, parameters=()):
    """Output and gradients of one layer, for a random cotangent; `call` is how nabla makes it."""
    x.requires_grad_()
    for p in parameters:
        p.requires_grad_()
    y = apply(x, *parameters)
    gy = draw(*y.shape)
    gradients = torch.autograd.grad(y, [x, *parameters], gy)
    return {
        "call": call,
        "x": array(nhwc(x)),
        "parameters": [array(hwio(p)) for p in parameters],
        "y": array(nhwc(y)),
        "gy": array(nhwc(gy)),
        "gx": array(nhwc(gradients[0])),
        "gradients": [array(hwio(g)) for g in gradients[1:]],
    }


def conv(c, k, kernel, x, bias=True, groups=1, **options):
    """`options` as PyTorch has them; "same" and "valid" mean the same in both for stride 1."""
    w = draw(k, c // groups, *kernel)
    parameters = [w, draw(k)] if bias else [w]
    call = ["conv2d", c, k, {"kernel": kernel, "bias": bias, "groups": groups, **options}]
    return layer(call, lambda x, w, b=None: F.conv2d(x, w, b, groups=groups, **options), draw(*x), parameters)


def layers():
    image = lambda: draw(2, 2, 6, 5)
    rows = lambda: draw(3, 4) * 2
    yield layer(["linear", 5, 3], lambda x, w, b: F.linear(x, w, b), draw(4, 5), [draw(3, 5), draw(3)])
    yield layer(["linear", 5, 3, {"bias": False}], lambda x, w: F.linear(x, w), draw(2, 3, 5), [draw(3, 5)])
    yield conv(3, 4, [3, 3], (2, 3, 5, 6))
    yield conv(1, 3, [5, 5], (2, 1, 6, 5), padding="same")
    yield conv(2, 3, [3, 3], (1, 2, 7, 6), stride=2, padding=1)
    yield conv(2, 3, [3, 2], (2, 2, 7, 5), stride=[2, 1], padding=[1, 0], dilation=[1, 2], bias=False)
    yield conv(4, 6, [3, 3], (1, 4, 5, 4), groups=2, padding=1)
    yield conv(4, 8, [3, 3], (1, 4, 5, 4), groups=4, padding=1)
    yield layer(["maxPool2d", 2], lambda x: F.max_pool2d(x, 2), image())
    yield layer(["maxPool2d", [3, 2], {"stride": 2, "padding": 1}], lambda x: F.max_pool2d(x, (3, 2), 2, 1), image())
    yield layer(["avgPool2d", 2], lambda x: F.avg_pool2d(x, 2), image())
    yield layer(["avgPool2d", 3, {"stride": 2, "padding": 1}], lambda x: F.avg_pool2d(x, 3, 2, 1), image())
    yield layer(
        ["avgPool2d", 3, {"stride": 2, "padding": 1, "countPad": False}],
        lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        image(),
    )
    yield layer(["globalAvgPool2d"], lambda x: F.adaptive_avg_pool2d(x, 1).flatten(1), image())
    yield layer(["relu"], F.relu, rows())
    yield layer(["leakyRelu", {"slope": 0.2}], lambda x: F.leaky_relu(x, 0.2), rows())
    yield layer(["sigmoid"], torch.sigmoid, rows())
    yield layer(["tanh"], torch.tanh, rows())
    yield layer(["gelu"], F.gelu, rows())
    yield layer(["silu"], F.silu, rows())
    yield layer(["softplus"], F.softplus, rows())
    yield layer(["softmax"], lambda x: F.softmax(x, -1), rows())
    yield layer(["softmax", {"axis": 0}], lambda x: F.softmax(x, 0), rows())


def activations():
    """Both sides of every kink, and where exp() would overflow if it were taken."""
    rows = lambda: torch.cat([draw(3, 4) * 2, torch.tensor([[-100.0, 100, -5, 5], [-2.5, 2.5, -0.5, 7]])])
    f = lambda name, apply, *options: layer([name, *options], apply, rows())
    yield f("relu", F.relu)
    yield f("relu6", F.relu6)
    yield f("leakyRelu", F.leaky_relu)
    yield f("elu", lambda x: F.elu(x, 0.7), {"alpha": 0.7})
    yield f("elu", F.elu)
    yield f("celu", lambda x: F.celu(x, 0.7), {"alpha": 0.7})
    yield f("selu", F.selu)
    yield f("sigmoid", torch.sigmoid)
    yield f("logSigmoid", F.logsigmoid)
    yield f("tanh", torch.tanh)
    yield f("gelu", F.gelu)
    yield f("gelu", lambda x: F.gelu(x, approximate="tanh"), {"approximate": "tanh"})
    yield f("silu", F.silu)
    yield f("mish", F.mish)
    yield f("softplus", lambda x: F.softplus(x, threshold=1e9))
    yield f("softplus", lambda x: F.softplus(x, beta=3), {"beta": 3})
    yield f("softsign", F.softsign)
    yield f("hardTanh", F.hardtanh)
    yield f("hardTanh", lambda x: F.hardtanh(x, -2, 0.5), {"low": -2, "high": 0.5})
    yield f("hardSigmoid", lambda x: F.relu6(x + 3) / 6)  # F.hardsigmoid has the ⅙ of its derivative in single precision
    yield f("hardSwish", F.hardswish)
    yield f("softmax", lambda x: F.softmax(x, -1))
    yield f("logSoftmax", lambda x: F.log_softmax(x, -1))
    yield f("logSoftmax", lambda x: F.log_softmax(x, 0), {"axis": 0})
    yield f("softmin", lambda x: F.softmin(x, -1))
    yield f("glu", lambda x: F.glu(x, -1))
    yield layer(["glu", {"axis": 1}], lambda x: F.glu(x, 1), draw(2, 6, 3))
    yield layer(["prelu", 1], F.prelu, rows(), [draw(1)])
    yield layer(["prelu", 4], F.prelu, rows(), [draw(4)])


def pooling():
    image = lambda: draw(2, 2, 7, 5)
    even = lambda: draw(1, 2, 6, 4)
    yield layer(["globalMaxPool2d"], lambda x: F.adaptive_max_pool2d(x, 1).flatten(1), image())
    for size in [3, [2, 5], [9, 1]]:
        yield layer(["adaptiveAvgPool2d", size], lambda x: F.adaptive_avg_pool2d(x, size), image())
        yield layer(["adaptiveMaxPool2d", size], lambda x: F.adaptive_max_pool2d(x, size), image())
    yield layer(["adaptiveAvgPool2d", [3, 2]], lambda x: F.adaptive_avg_pool2d(x, (3, 2)), even())
    yield layer(["adaptiveMaxPool2d", [3, 2]], lambda x: F.adaptive_max_pool2d(x, (3, 2)), even())


def spatial(call, apply, x, parameters=()):
    """`layer` for any number of spatial axes: channels last, filters [..., in, out]."""
    for leaf in [x, *parameters]:
        leaf.requires_grad_()
    last = lambda a: a.movedim(1, -1) if a.dim() > 1 else a
    filters = lambda w: w.permute(*range(2, w.dim()), 1, 0) if w.dim() > 1 else w
    y = apply(x, *parameters)
    gy = draw(*y.shape)
    gx, *gradients = torch.autograd.grad(y, [x, *parameters], gy)
    return {
        "call": call,
        "x": array(last(x)),
        "parameters": [array(filters(p)) for p in parameters],
        "y": array(last(y)),
        "gy": array(last(gy)),
        "gx": array(last(gx)),
        "gradients": [array(filters(g)) for g in gradients],
    }


def convolutions(rank, conv, transposed, size):
    """Convolutions and transposed ones of `rank` axes: plain, with a number for each axis, in groups."""
    each = [3, 2, 1][-rank:] if rank > 1 else 2
    plain = {"kernel": 2}
    rich = {"kernel": 3, "stride": 2, "padding": 1, "dilation": each}
    groups = {"kernel": 2, "groups": 2, "padding": 1}
    for options in [plain, rich, groups]:
        torch_options = {k: v for k, v in options.items() if k != "kernel"}
        window, g = [options["kernel"]] * rank, options.get("groups", 1)
        if rank < 3 or options is not plain:
            w = [draw(4, 2 // g, *window), draw(4)]
            wide = [n + 4 for n in size] if options is rich else size
            yield spatial([f"conv{rank}d", 2, 4, options], lambda x, w, b: conv(x, w, b, **torch_options), draw(1, 2, *wide), w)
        w = [draw(4, 2 // g, *window), draw(2)]
        if options is rich:
            options, torch_options = {**rich, "outputPadding": 1}, {**torch_options, "output_padding": 1}
        small = (2, 4, *[2, 3, 2][:rank])
        yield spatial([f"convTranspose{rank}d", 4, 2, options], lambda x, w, b: transposed(x, w, b, **torch_options), draw(*small), w)


def pools(rank, top, mean, adaptive_top, adaptive_mean, size):
    x = lambda: draw(1, 2, *size)
    each = [2, 3, 2][:rank] if rank > 1 else 3
    options = {"stride": 2, "padding": 1, "ceilMode": True}
    yield spatial([f"maxPool{rank}d", each, options], lambda x: top(x, each, 2, 1, ceil_mode=True), x())
    for count in [False, True]:
        pool = lambda x: mean(x, each, 2, 1, True, count)
        yield spatial([f"avgPool{rank}d", each, {**options, "countPad": count}], pool, x())
    sizes = [2, 3, 1][:rank] if rank > 1 else 4
    yield spatial([f"adaptiveMaxPool{rank}d", sizes], lambda x: adaptive_top(x, sizes), x())
    yield spatial([f"adaptiveAvgPool{rank}d", sizes], lambda x: adaptive_mean(x, sizes), x())
    yield spatial([f"globalMaxPool{rank}d"], lambda x: x.flatten(2).amax(2), x())
    yield spatial([f"globalAvgPool{rank}d"], lambda x: x.flatten(2).mean(2), x())


def images():
    def excite(x, a, b, c, d):
        hidden = F.silu(F.linear(x.mean((2, 3)), a, b))
        return x * F.linear(hidden, c, d).sigmoid()[:, :, None, None]

    yield spatial(["localResponseNorm", 5], lambda x: F.local_response_norm(x, 5), draw(2, 7, 2, 3) * 30)
    options = {"alpha": 0.5, "beta": 0.6, "k": 2}
    yield spatial(["localResponseNorm", 4, options], lambda x: F.local_response_norm(x, 4, **options), draw(2, 6, 3))
    yield spatial(["channelShuffle", 3], lambda x: x.unflatten(1, (3, 2)).transpose(1, 2).flatten(1, 2), draw(2, 6, 2, 1))
    yield spatial(["pixelShuffle", 2], lambda x: F.pixel_shuffle(x, 2), draw(1, 8, 2, 3))
    yield spatial(["pixelUnshuffle", 2], lambda x: F.pixel_unshuffle(x, 2), draw(1, 2, 4, 6))
    shapes = [draw(2, 5), draw(2), draw(5, 2), draw(5)]
    yield spatial(["squeezeExcitation", 5, 2, {"activation": "silu"}], excite, draw(2, 5, 2, 3), shapes)
    depthwise = lambda x, w, b: F.conv2d(x, w, b, padding=1, groups=3)
    yield spatial(["depthwiseConv2d", 3, {"kernel": 3, "padding": 1, "multiplier": 2}], depthwise, draw(1, 3, 4, 5), [draw(6, 1, 3, 3), draw(6)])
    separable = lambda x, w, v, b: F.conv2d(F.conv2d(x, w, stride=2, groups=3), v, b)
    weights = [draw(3, 1, 3, 2), draw(4, 3, 1, 1), draw(4)]
    yield spatial(["separableConv2d", 3, 4, {"kernel": [3, 2], "stride": 2}], separable, draw(2, 3, 5, 6), weights)
    yield from convolutions(1, F.conv1d, F.conv_transpose1d, (9,))
    yield from convolutions(2, F.conv2d, F.conv_transpose2d, (5, 6))
    yield from convolutions(3, F.conv3d, F.conv_transpose3d, (4, 5, 3))
    yield from pools(1, F.max_pool1d, F.avg_pool1d, F.adaptive_max_pool1d, F.adaptive_avg_pool1d, (9,))
    yield from pools(3, F.max_pool3d, F.avg_pool3d, F.adaptive_max_pool3d, F.adaptive_avg_pool3d, (4, 5, 4))
    yield spatial(["lpPool1d", 2, 3, {"stride": 2}], lambda x: F.lp_pool1d(x, 2, 3, 2), draw(1, 2, 8))
    options = {"stride": 2, "ceilMode": True}
    yield spatial(["lpPool2d", 4, [2, 3], options], lambda x: F.lp_pool2d(x, 4, (2, 3), 2, True), draw(1, 2, 5, 6))
    for mode in ["reflect", "replicate", "circular"]:
        yield spatial(["pad", [[1, 2], [2, 0]], {"mode": mode}], lambda x: F.pad(x, (2, 0, 1, 2), mode), draw(1, 2, 3, 4))
        module = torch.nn.Conv2d(2, 2, (3, 2), 1, "same", (1, 2), padding_mode=mode)
        options = {"kernel": [3, 2], "dilation": [1, 2], "padding": "same", "paddingMode": mode}
        call = lambda x, w, b: torch.nn.utils.stateless.functional_call(module, {"weight": w, "bias": b}, x)
        yield spatial(["conv2d", 2, 2, options], call, draw(1, 2, 4, 5), [draw(2, 2, 3, 2), draw(2)])
    for size in [{"scale": 2}, {"scale": 1.5}, {"size": [5, 2]}, {"size": [7, 6]}]:
        for mode, align in [("nearest", None), ("bilinear", False), ("bilinear", True)]:
            given = {"scale_factor": size["scale"]} if "scale" in size else {"size": size["size"]}
            options = {**size, "mode": mode, **({} if align is None else {"alignCorners": align})}
            yield spatial(["upsample", options], lambda x: F.interpolate(x, mode=mode, align_corners=align, **given), draw(1, 2, 3, 4))
    for align in [False, True]:
        for mode, shape in [("linear", [4]), ("trilinear", [2, 3, 2])]:
            resize = lambda x: F.interpolate(x, scale_factor=3, mode=mode, align_corners=align)
            yield spatial(["upsample", {"scale": 3, "mode": mode, "alignCorners": align}], resize, draw(1, 1, *shape))
    for ceil in [False, True]:
        options = {"stride": 2, "ceilMode": ceil}
        yield spatial(["maxPool2d", 3, options], lambda x: F.max_pool2d(x, 3, 2, ceil_mode=ceil), draw(1, 2, 6, 8))
        options = {"stride": [3, 2], "padding": 1, "ceilMode": ceil}
        for count in [False, True]:
            pool = lambda x: F.avg_pool2d(x, 3, (3, 2), 1, ceil, count)
            yield spatial(["avgPool2d", 3, {**options, "countPad": count}], pool, draw(1, 2, 6, 8))


def norm(call, make, x, channels=1):
    """
    A training step and an evaluation of a normalising layer: outputs, gradients, buffers before and afterwards. The axis
    `channels` is the last one here.
    """
    last = lambda a: a.movedim(channels, -1)
    module = make()
    parameters = list(module.parameters())
    with torch.no_grad():
        for p in parameters:
            p.copy_(draw(*p.shape))
    module(draw(*x.shape))  # moves running averages away from where they start
    buffers = lambda: [array(b) for b in module.buffers() if b.dim() > 0]
    before = buffers()
    x.requires_grad_()
    y = module(x)
    gy = draw(*y.shape)
    gradients = torch.autograd.grad(y, [x, *parameters], gy)
    return {
        "call": call,
        "x": array(last(x)),
        "parameters": [array(p) for p in parameters],
        "before": before,
        "y": array(last(y)),
        "gy": array(last(gy)),
        "gx": array(last(gradients[0])),
        "gradients": [array(g) for g in gradients[1:]],
        "buffers": buffers(),
        "evaluated": array(last(module.eval()(x))),
    }


class RmsNorm(torch.nn.Module):
    """What torch.nn.RMSNorm of PyTorch 2.4 computes."""

    def __init__(self, n, eps, affine):
        super().__init__()
        self.eps = eps
        self.weight = torch.nn.Parameter(torch.ones(n)) if affine else None

    def forward(self, x):
        y = x / (x.square().mean(-1, keepdim=True) + self.eps).sqrt()
        return y if self.weight is None else y * self.weight


def norms():
    nn = torch.nn
    yield norm(["batchNorm", 3], lambda: nn.BatchNorm1d(3), draw(5, 3) * 2 + 1)
    yield norm(["batchNorm", 3], lambda: nn.BatchNorm1d(3), draw(2, 3, 4))
    yield norm(["batchNorm", 4, {"momentum": 0.3, "eps": 0.01}], lambda: nn.BatchNorm2d(4, 0.01, 0.3), draw(2, 4, 3, 2) - 2)
    yield norm(["batchNorm", 2, {"affine": False}], lambda: nn.BatchNorm3d(2, affine=False), draw(2, 2, 2, 3, 2))
    no_stats = {"trackRunningStats": False}
    yield norm(["batchNorm", 2, no_stats], lambda: nn.BatchNorm2d(2, track_running_stats=False), draw(3, 2, 2, 2))
    yield norm(["groupNorm", 2, 4], lambda: nn.GroupNorm(2, 4), draw(2, 4, 3, 2) + 3)
    yield norm(["groupNorm", 1, 4, {"affine": False}], lambda: nn.GroupNorm(1, 4, affine=False), draw(3, 4))
    yield norm(["groupNorm", 3, 3, {"eps": 0.1}], lambda: nn.GroupNorm(3, 3, 0.1), draw(2, 3, 5))
    yield norm(["instanceNorm", 3], lambda: nn.InstanceNorm2d(3), draw(2, 3, 3, 4))
    yield norm(["instanceNorm", 3, {"affine": True}], lambda: nn.InstanceNorm1d(3, affine=True), draw(2, 3, 5))
    yield norm(["layerNorm", 5], lambda: nn.LayerNorm(5), draw(2, 3, 5) * 3 + 1, -1)
    yield norm(["layerNorm", [2, 3]], lambda: nn.LayerNorm([2, 3]), draw(4, 2, 3), -1)
    yield norm(["layerNorm", 4, {"affine": False}], lambda: nn.LayerNorm(4, elementwise_affine=False), draw(3, 4), -1)
    yield norm(["rmsNorm", 6], lambda: RmsNorm(6, 1e-6, True), draw(3, 6) + 1, -1)
    yield norm(["rmsNorm", 3, {"affine": False, "eps": 0.1}], lambda: RmsNorm(3, 0.1, False), draw(2, 2, 3), -1)


def integers(*values):
    return torch.tensor(values)


def loss(name, apply, *inputs, wrt=1, reduction="mean", **options):
    """A loss and its gradients by the first `wrt` inputs. `options`: nabla's, tensors among them; `apply(*inputs)` is what they amount to."""
    for x in inputs[:wrt]:
        x.requires_grad_()
    y = apply(*inputs)
    gy = draw(*y.shape)
    gradients = torch.autograd.grad(y, inputs[:wrt], gy)
    dtyped = lambda x: {**array(x), "dtype": "f64" if x.is_floating_point() else "i32"}
    return {
        "loss": name,
        "options": {k: dtyped(v) if torch.is_tensor(v) else v for k, v in {"reduction": reduction, **options}.items()},
        "inputs": [dtyped(x) for x in inputs],
        "y": array(y),
        "gy": array(gy),
        "gradients": [array(g) for g in gradients],
    }


def losses():
    extreme = torch.tensor([[1000.0, -1000.0, 0.0], [30.0, 0.0, -30.0], [0.0, 0.0, 0.0]])
    far = torch.tensor([-800.0, -30.0, -1.0, 0.0, 1.0, 30.0, 800.0])
    signs = lambda *shape: draw(*shape).sign()
    share = lambda *shape: F.softmax(draw(*shape), -1)
    label = integers(0, 3, 1, 1, 2)
    weights = torch.tensor([0.2, 1, 3, 0.5])

    def entropies(x, t, reduction, **options):
        """Classes last, any axes before them."""
        y = F.cross_entropy(x.flatten(0, -2), t.flatten(), reduction=reduction, **options)
        return y.reshape(t.shape) if reduction == "none" else y

    def each(name, f, *inputs, wrt=1, torch_options={}, **options):
        """All three reductions."""
        for reduction in ["mean", "sum", "none"]:
            apply = lambda *xs: f(*xs, reduction=reduction, **torch_options)
            yield loss(name, apply, *(x.clone() for x in inputs), wrt=wrt, reduction=reduction, **options)

    yield from each("crossEntropy", F.cross_entropy, draw(5, 4) * 3, label)
    yield from each("crossEntropy", entropies, draw(2, 3, 4), torch.randint(4, (2, 3)))
    yield from each("crossEntropy", F.cross_entropy, extreme, integers(1, 0, 2))
    torch_options = {"weight": weights, "ignore_index": 1, "label_smoothing": 0.2}
    options = {"classWeights": weights, "ignoreIndex": 1, "labelSmoothing": 0.2}
    yield from each("crossEntropy", F.cross_entropy, draw(5, 4), label, torch_options=torch_options, **options)
    yield from each("crossEntropy", F.cross_entropy, draw(5, 4), label, torch_options={"label_smoothing": 0.1}, labelSmoothing=0.1)
    yield from each("crossEntropy", F.cross_entropy, draw(5, 4), label, torch_options={"weight": weights}, classWeights=weights)
    yield from each("crossEntropy", F.cross_entropy, draw(5, 4), label - 101 * (label == 1), torch_options={"ignore_index": -100}, ignoreIndex=-100)
    del torch_options["ignore_index"], options["ignoreIndex"]
    yield from each("crossEntropy", F.cross_entropy, draw(5, 4), share(5, 4), torch_options=torch_options, **options)
    yield from each("crossEntropy", F.cross_entropy, draw(5, 4), share(5, 4))
    torch_options = {"weight": weights, "ignore_index": 3}
    yield from each("nll", F.nll_loss, draw(5, 4), label, torch_options=torch_options, classWeights=weights, ignoreIndex=3)
    kl = lambda q, p, reduction, **o: F.kl_div(q, p, reduction="none", **o).sum(-1) if reduction == "none" else F.kl_div(
        q, p, reduction={"mean": "batchmean"}.get(reduction, reduction), **o
    )
    yield from each("klDivergence", kl, draw(5, 4), share(5, 4))
    yield from each("klDivergence", kl, draw(5, 4), draw(5, 4), torch_options={"log_target": True}, logTarget=True)
    yield from each("klDivergence", kl, draw(2, 3), torch.tensor([[0.0, 0.5, 0.5], [0.0, 0.0, 1.0]]))

    yield from each("bceWithLogits", F.binary_cross_entropy_with_logits, draw(4, 3) * 3, draw(4, 3).sigmoid())
    for target in [torch.zeros(7), torch.ones(7)]:
        yield from each("bceWithLogits", F.binary_cross_entropy_with_logits, far, target)
    few = torch.tensor([0.5, 2, 7])
    yield from each("bceWithLogits", F.binary_cross_entropy_with_logits, draw(4, 3), draw(4, 3).sigmoid(), torch_options={"pos_weight": few}, posWeight=few)
    yield from each("bce", F.binary_cross_entropy, draw(4, 3).sigmoid(), draw(4, 3).sigmoid())

    yield from each("mse", F.mse_loss, draw(4, 3), draw(4, 3))
    yield from each("mae", F.l1_loss, draw(4, 3), draw(4, 3))
    yield from each("huber", F.huber_loss, draw(4, 3), draw(4, 3), torch_options={"delta": 0.6}, delta=0.6)
    yield from each("smoothL1", F.smooth_l1_loss, draw(4, 3), draw(4, 3), torch_options={"beta": 0.6}, beta=0.6)
    yield from each("smoothL1", F.smooth_l1_loss, draw(4, 3), draw(4, 3), torch_options={"beta": 0}, beta=0)
    counts = torch.randint(5, (4, 3)).double()
    yield from each("poissonNll", F.poisson_nll_loss, draw(4, 3), counts)
    torch_options = {"log_input": False, "full": True}
    yield from each("poissonNll", F.poisson_nll_loss, draw(4, 3).exp(), counts, torch_options=torch_options, logInput=False, full=True)
    yield from each("gaussianNll", F.gaussian_nll_loss, draw(4, 3), draw(4, 3), draw(4, 3).exp(), wrt=3)
    variance = torch.tensor([[0.0, 0.1, 2], [1e-9, 1, 0.3]])
    torch_options = {"full": True, "eps": 0.2}
    yield from each("gaussianNll", F.gaussian_nll_loss, draw(2, 3), draw(2, 3), variance, wrt=3, torch_options=torch_options, full=True, eps=0.2)
    hinges = lambda x, t, reduction: {"mean": torch.mean, "sum": torch.sum, "none": lambda y: y}[reduction]((1 - x * t).relu())
    squared = lambda x, t, reduction: {"mean": torch.mean, "sum": torch.sum, "none": lambda y: y}[reduction]((1 - x * t).relu().square())
    yield from each("hinge", hinges, draw(4, 3) * 2, signs(4, 3))
    yield from each("squaredHinge", squared, draw(4, 3) * 2, signs(4, 3))

    pair = signs(5)
    yield from each("cosineEmbedding", F.cosine_embedding_loss, draw(5, 3), draw(5, 3), pair, wrt=2)
    yield from each("cosineEmbedding", F.cosine_embedding_loss, draw(5, 3), draw(5, 3), pair, wrt=2, torch_options={"margin": 0.3}, margin=0.3)
    triple = lambda: (draw(5, 3), draw(5, 3), draw(5, 3))
    yield from each("tripletMargin", F.triplet_margin_loss, *triple(), wrt=3)
    for options in [{"margin": 0.4, "swap": True}, {"p": 1}, {"p": 3}]:
        yield from each("tripletMargin", F.triplet_margin_loss, *triple(), wrt=3, torch_options=options, **options)
    yield from each("marginRanking", F.margin_ranking_loss, draw(6), draw(6), signs(6), wrt=2, torch_options={"margin": 0.5}, margin=0.5)

    # What PyTorch has no options for, by the definition: weights, masks, focal losses.
    w, m = torch.rand(5), integers(1, 0, 1, 1, 0)
    mean = lambda y, w: (y * w).sum() / w.sum()
    nll = lambda x, t: F.cross_entropy(x, t, reduction="none")
    yield loss("crossEntropy", lambda x, t: mean(nll(x, t), w * m), draw(5, 4), label, weights=w, mask=m)
    yield loss("crossEntropy", lambda x, t: mean(nll(x, t), w * weights[t]), draw(5, 4), label, weights=w, classWeights=weights)
    yield loss("mse", lambda x, t: mean(((x - t) ** 2), w[:, None].expand(5, 2)), draw(5, 2), draw(5, 2), weights=w)
    yield loss("mae", lambda x, t: ((x - t).abs() * m[:, None]).sum(), draw(5, 2), draw(5, 2), mask=m, reduction="sum")
    yield loss("huber", lambda x, t: F.huber_loss(x, t, reduction="none") * w * m, draw(5), draw(5), weights=w, mask=m, reduction="none")
    focal = lambda x, t: (1 - F.softmax(x, -1).gather(1, t[:, None])[:, 0]) ** 1.5 * nll(x, t)
    yield loss("focal", lambda x, t: focal(x, t).mean(), draw(5, 4), label, gamma=1.5)
    yield loss("focal", lambda x, t: mean(focal(x, t), weights[t]), draw(5, 4), label, gamma=1.5, classWeights=weights)
    bce = lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction="none")
    sure = lambda x, t: x.sigmoid() * t + (1 - x.sigmoid()) * (1 - t)
    binary = lambda x, t, a, g: ((a * t + (1 - a) * (1 - t)) * (1 - sure(x, t)) ** g * bce(x, t)).mean()
    yield loss("binaryFocal", lambda x, t: binary(x, t, 0.25, 2), draw(6), signs(6).relu())
    yield loss("binaryFocal", lambda x, t: 2 * binary(x, t, 0.5, 0.7), draw(6), signs(6).relu(), alpha=None, gamma=0.7)


def training(name, options, make, frozen=(), rates=None):
    """Ten steps on a small regression; in the steps `frozen` the bias is. `rates`: learning rates step by step."""
    x, y, w0, b0 = draw(6, 3), draw(6, 2), draw(3, 2), draw(2)
    w, b = w0.clone().requires_grad_(), b0.clone().requires_grad_()
    optimizer = make([w, b])
    path = []
    for step in range(10):
        for group in optimizer.param_groups:
            if rates is not None:
                group["lr"] = rates[step]
        b.requires_grad_(step not in frozen)
        optimizer.zero_grad(set_to_none=True)
        cost = ((x @ w + b).tanh() - y).square().mean()
        cost.backward()
        optimizer.step()
        path.append({"loss": cost.item(), "w": w.flatten().tolist(), "b": b.tolist()})
    return {
        "optimizer": name,
        "options": options,
        "frozen": list(frozen),
        "rates": rates,
        "x": array(x),
        "y": array(y),
        "w": array(w0),
        "b": array(b0),
        "path": path,
    }


#: nabla's name → PyTorch's class, and options that are called otherwise there.
OPTIMIZERS = {
    "sgd": "SGD",
    "adagrad": "Adagrad",
    "rmsprop": "RMSprop",
    "adadelta": "Adadelta",
    "adam": "Adam",
    "adamW": "AdamW",
    "nadam": "NAdam",
    "radam": "RAdam",
}
TORCH_NAMES = {"initialSum": "initial_accumulator_value"}


def steps_of(name, frozen=(), rates=None, **options):
    snake = lambda key: TORCH_NAMES.get(key) or "".join("_" + c.lower() if c.isupper() else c for c in key)
    own = {snake(k): v for k, v in options.items()}
    # Alone among all versions and the paper, the default loop of PyTorch 1.13's NAdam counts μ twice.
    make = lambda ps: getattr(torch.optim, OPTIMIZERS[name])(ps, **own, **({"foreach": True} if name == "nadam" else {}))
    return training(name, options, make, frozen, rates)


def optimizers():
    rates = [0.3 * 0.8**step for step in range(10)]
    yield steps_of("sgd", lr=0.3)
    yield steps_of("sgd", lr=0.3, weightDecay=0.1)
    yield steps_of("sgd", lr=0.2, momentum=0.9)
    yield steps_of("sgd", lr=0.2, momentum=0.9, nesterov=True, weightDecay=0.05)
    yield steps_of("sgd", lr=0.2, momentum=0.8, dampening=0.4, weightDecay=0.05)
    yield steps_of("sgd", lr=0.2, momentum=0.8, dampening=0.4, frozen=[0, 1, 5])
    yield steps_of("sgd", lr=0.3, momentum=0.5, rates=rates)
    yield steps_of("adagrad", lr=0.3)
    yield steps_of("adagrad", lr=0.3, lrDecay=0.2, initialSum=0.1, eps=1e-3, weightDecay=0.1, frozen=[0, 1, 5])
    yield steps_of("rmsprop")
    yield steps_of("rmsprop", lr=0.05, alpha=0.8, eps=1e-3, weightDecay=0.1)
    yield steps_of("rmsprop", lr=0.02, alpha=0.9, momentum=0.7)
    yield steps_of("rmsprop", lr=0.02, alpha=0.9, momentum=0.7, centered=True, rates=rates)
    yield steps_of("adadelta")
    yield steps_of("adadelta", lr=0.8, rho=0.7, eps=1e-2, weightDecay=0.1)
    yield steps_of("adam")
    yield steps_of("adam", lr=0.1, betas=[0.8, 0.95], eps=1e-3, weightDecay=0.1)
    yield steps_of("adam", lr=0.1, betas=[0.0, 0.0])
    yield steps_of("adam", lr=0.1, frozen=[0, 1, 5])
    yield steps_of("adam", lr=0.3, rates=rates)
    yield steps_of("adam", lr=0.1, betas=[0.8, 0.5], amsgrad=True)
    yield steps_of("adamW")
    yield steps_of("adamW", lr=0.1, betas=[0.8, 0.95], weightDecay=0.2, rates=rates)
    yield steps_of("nadam")
    yield steps_of("nadam", lr=0.05, betas=[0.8, 0.95], momentumDecay=0.1, weightDecay=0.1)
    yield steps_of("radam")
    yield steps_of("radam", lr=0.1, betas=[0.8, 0.95], weightDecay=0.1, frozen=[0, 1, 5])


write("layers", layers())
write("activations", activations())
write("pooling", pooling())
write("images", images())
write("losses", losses())
write("optimizers", optimizers())
write("norms", norms())
