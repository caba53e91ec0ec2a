"""PyTorch in eager mode, speaking the protocol of serve.mjs. Argument: `channels_last` or `contiguous`, for images."""

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


def module(layer):
    kind = layer["kind"]
    if kind == "linear":
        return nn.Linear(layer["in"], layer["out"])
    if kind == "conv2d":
        return nn.Conv2d(layer["in"], layer["out"], layer["kernel"], padding=layer["padding"])
    if kind == "maxPool2d":
        return nn.MaxPool2d(layer["window"])
    return {"flatten": nn.Flatten, "relu": nn.ReLU, "tanh": nn.Tanh}[kind]()


class Training:
    def __init__(self, workload):
        torch.manual_seed(0)
        batch, *rest = workload["input"]
        is_image = len(rest) == 3
        self.x = torch.randn(batch, rest[2], rest[0], rest[1]) if is_image else torch.randn(batch, *rest)
        self.model = nn.Sequential(*map(module, workload["layers"]))
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
        self.optimizer = optimizer(self.model.parameters(), lr=workload["optimizer"]["lr"])

    def run(self, steps):
        for _ in range(steps):
            self.optimizer.zero_grad(set_to_none=True)
            self.last = self.criterion(self.model(self.x), self.y)
            self.last.backward()
            self.optimizer.step()

    def parameters(self):
        return sum(p.numel() for p in self.model.parameters())


training = None
for line in sys.stdin:
    command = json.loads(line)
    name = command["name"]
    if name == "prepare":
        training = Training(command["workload"])
        training.run(1)
        reply(parameters=training.parameters(), loss=training.last.item())
    elif name == "run":
        wall, cpu = time.perf_counter(), time.thread_time()
        training.run(command["steps"])
        reply(ms=1e3 * (time.perf_counter() - wall), cpuMs=1e3 * (time.thread_time() - cpu), steps=command["steps"])
    elif name == "loss":
        reply(loss=training.last.item())
    elif name == "express":
        one = torch.ones(4, 8, requires_grad=True)
        h = one
        wall = time.perf_counter()
        for _ in range(command["ops"]):
            h = h + one
        reply(ms=1e3 * (time.perf_counter() - wall))
    else:
        reply(error=f"PyTorch does not do {name}")
