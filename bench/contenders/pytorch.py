"""PyTorch, speaking the protocol of serve.mjs. Argument: `channels_last`, `contiguous` or `frozen`: layout of images, or a
graph traced and optimized for predictions instead of eager mode."""

import json
import os
import sys
import time

replies = os.fdopen(3, "w", buffering=1)


def reply(**message):
    replies.write(json.dumps(message) + "\n")


start = time.perf_counter()
import torch  # noqa: E402  (its import time is measured)
from torch import nn  # noqa: E402

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
reply(importMs=1e3 * (time.perf_counter() - start))
memory_format = torch.channels_last if sys.argv[1] == "channels_last" else torch.contiguous_format


class Residual(nn.Module):
    def __init__(self, main, shortcut):
        super().__init__()
        self.main, self.shortcut = main, shortcut

    def forward(self, x):
        return self.main(x) + self.shortcut(x)


def sequential(layers):
    return nn.Sequential(*map(module, layers))


def module(layer):
    kind = layer["kind"]
    if kind == "linear":
        return nn.Linear(layer["in"], layer["out"])
    if kind == "conv2d":
        options = {name: layer[name] for name in ["padding", "stride", "groups", "bias"]}
        return nn.Conv2d(layer["in"], layer["out"], layer["kernel"], **options)
    if kind == "batchNorm":
        return nn.BatchNorm2d(layer["channels"])
    if kind == "residual":
        return Residual(sequential(layer["main"]), sequential(layer["shortcut"]))
    if kind == "globalAvgPool2d":
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    if kind == "maxPool2d":
        return nn.MaxPool2d(layer["window"])
    return {"flatten": nn.Flatten, "relu": nn.ReLU, "relu6": nn.ReLU6, "tanh": nn.Tanh}[kind]()


def architecture(names):
    """One of torchvision's, without auxiliary classifiers."""
    import torchvision

    options = {"aux_logits": False, "init_weights": True} if names["torchvision"] in ["googlenet", "inception_v3"] else {}
    return getattr(torchvision.models, names["torchvision"])(**options)


class Training:
    def __init__(self, workload):
        torch.manual_seed(0)
        batch, *rest = workload["input"]
        is_image = len(rest) == 3
        self.x = torch.randn(batch, rest[2], rest[0], rest[1]) if is_image else torch.randn(batch, *rest)
        self.model = architecture(workload["architecture"]) if "architecture" in workload else sequential(workload["layers"])
        if is_image:
            self.x = self.x.to(memory_format=memory_format)
            self.model = self.model.to(memory_format=memory_format)
        outputs = workload["outputs"]
        if workload["loss"] == "crossEntropy":
            self.y = torch.randint(outputs, (batch,))
            self.criterion = nn.CrossEntropyLoss()
        else:
            self.y = torch.randn(batch, outputs)
            self.criterion = nn.MSELoss()
        optimizer = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[workload["optimizer"]["kind"]]
        names = {"lr": "lr", "momentum": "momentum", "weightDecay": "weight_decay"}
        options = {names[name]: value for name, value in workload["optimizer"].items() if name in names}
        self.optimizer = optimizer(self.model.parameters(), **options)

    def run(self, steps):
        for _ in range(steps):
            self.optimizer.zero_grad(set_to_none=True)
            self.criterion(self.model(self.x), self.y).backward()
            self.optimizer.step()

    def loss(self):
        drops = [part for part in self.model.modules() if type(part).__name__ in ["Dropout", "StochasticDepth"]]
        for part in drops:
            part.eval()
        with torch.no_grad():
            cost = self.criterion(self.model(self.x), self.y).item()
        for part in drops:
            part.train()
        return cost

    def parameters(self):
        return sum(p.numel() for p in self.model.parameters())


def unary(work):
    """An operation into a given buffer, so that no page is mapped inside the timed part."""

    def prepare(size):
        x = torch.randn(*size.values())
        out = torch.empty_like(work(x))
        return lambda: work(x, out=out)

    return prepare


def transpose(size):
    x = torch.randn(*size.values())
    out = torch.empty(size["columns"], size["rows"])
    return lambda: out.copy_(x.t())


def add(size):
    x, y = torch.randn(size["count"]), torch.randn(size["count"])
    out = torch.empty_like(x)
    return lambda: torch.add(x, y, out=out)


def update(make):
    def prepare(size):
        w = nn.Parameter(torch.randn(size["count"]))
        w.grad = torch.randn_like(w)
        return make([w]).step

    return prepare


def layer(work, make_input, keep_graph):
    """A function of one input alone, or with the gradient of that input for a given one of the output."""

    def prepare(size):
        x = make_input(size).requires_grad_(keep_graph)
        if not keep_graph:
            return torch.no_grad()(lambda: work(x))
        gy = torch.randn_like(work(x))

        def step():
            x.grad = None
            work(x).backward(gy)

        return step

    return prepare


def images(size):
    return torch.randn(size["n"], size["c"], size["h"], size["w"]).to(memory_format=memory_format)


def matrix(size):
    return torch.randn(size["rows"], size["columns"])


def kernel(op, size, is_forward):
    keep_graph = not is_forward
    functional = nn.functional
    prepare = {
        "add": add,
        "relu": unary(lambda x, out=None: torch.clamp_min(x, 0, out=out)),
        "exp": unary(torch.exp),
        "tanh": unary(torch.tanh),
        "gelu": unary(lambda x, out=None: functional.gelu(x) if out is None else torch._C._nn.gelu(x, out=out)),
        "sum": unary(lambda x, out=None: torch.sum(x, 0, out=out)),
        "sum_axis0": unary(lambda x, out=None: torch.sum(x, 0, out=out)),
        "transpose": transpose,
        "softmax": unary(lambda x, out=None: torch.softmax(x, -1) if out is None else torch.softmax(x, -1, out=out)),
        "softmax_grad": layer(lambda x: torch.softmax(x, -1), matrix, True),
        "sgd": update(lambda p: torch.optim.SGD(p, lr=0.01)),
        "sgd_momentum": update(lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9)),
        "adam": update(lambda p: torch.optim.Adam(p, lr=1e-3)),
        "layer_norm": layer(nn.LayerNorm(size.get("columns", 1)), matrix, keep_graph),
        "batch_norm": layer(nn.BatchNorm2d(size.get("c", 1)), images, keep_graph),
        "max_pool2": layer(lambda x: functional.max_pool2d(x, 2), images, keep_graph),
        "avg_pool2": layer(lambda x: functional.avg_pool2d(x, 2), images, keep_graph),
    }[op]
    return prepare(size)


class Kernel:
    def __init__(self, workload):
        self.step = kernel(workload["op"], workload["size"], workload.get("pass") in (None, "forward"))

    def run(self, steps):
        for _ in range(steps):
            self.step()


class Prediction:
    def __init__(self, workload):
        trained = Training({**workload, "optimizer": {"kind": "sgd", "lr": 0}})
        self.parameters, self.x = trained.parameters, trained.x
        self.model = trained.model.eval()
        if sys.argv[1] == "frozen":
            self.model = torch.jit.optimize_for_inference(torch.jit.trace(self.model, self.x))

    def run(self, steps):
        with torch.inference_mode():
            for _ in range(steps):
                self.model(self.x)


training = None
for line in sys.stdin:
    command = json.loads(line)
    name = command["name"]
    if name == "prepare":
        workload = command["workload"]
        if "op" in workload:
            training = Kernel(workload)
            training.run(1)
            reply()
        else:
            training = Training(workload) if "optimizer" in workload else Prediction(workload)
            training.run(1)
            reply(parameters=training.parameters())
    elif name == "run":
        wall, cpu = time.perf_counter(), time.thread_time()
        training.run(command["steps"])
        reply(ms=1e3 * (time.perf_counter() - wall), cpuMs=1e3 * (time.thread_time() - cpu), steps=command["steps"])
    elif name == "loss":
        reply(loss=training.loss())
    elif name == "express":
        one = torch.ones(4, 8, requires_grad=True)
        h = one
        wall = time.perf_counter()
        for _ in range(command["ops"]):
            h = h + one
        reply(ms=1e3 * (time.perf_counter() - wall))
    else:
        reply(error=f"PyTorch does not do {name}")
