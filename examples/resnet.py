"""The reference of resnet-fashion.ts and resnet-cifar.ts: the same networks and recipe in PyTorch. Debian: python3-torch.

python3 examples/resnet.py fashion FOLDER    the four IDX files of Fashion-MNIST
python3 examples/resnet.py cifar FOLDER      train.bin and test.bin of CIFAR-10's binary version

With MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=8589934592 glibc keeps the memory of freed tensors: three times as fast.
"""
import argparse
import gzip
import os
import time

import numpy
import torch
from torch import nn
from torch.nn import functional as F


def idx(path, head):
    with gzip.open(path + ".gz") if os.path.exists(path + ".gz") else open(path, "rb") as file:
        return numpy.frombuffer(file.read(), numpy.uint8, offset=head)


def fashion(folder):
    for part in "train", "t10k":
        x = idx(os.path.join(folder, part + "-images-idx3-ubyte"), 16).reshape(-1, 1, 28, 28)
        yield x, idx(os.path.join(folder, part + "-labels-idx1-ubyte"), 8)


def cifar(folder):
    for part in "train", "test":
        records = numpy.fromfile(os.path.join(folder, part + ".bin"), numpy.uint8).reshape(-1, 3073)
        yield records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0]


def conv_norm(inputs, outputs, kernel, stride=1):
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs))


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride, shortcut):
        super().__init__()
        self.first, self.second = conv_norm(inputs, outputs, 3, stride), conv_norm(outputs, outputs, 3)
        self.shortcut = shortcut

    def forward(self, x):
        return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))


class Subsampled(nn.Module):
    """Option A of He et al. 2016: every second row and column, zeros in the new channels."""

    def forward(self, x):
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, x.shape[1]))


def network(channels, widths, shortcut):
    """`widths`: of the first convolution and of the three blocks; where they double, height and width halve."""
    blocks = [
        Residual(inputs, outputs, outputs // inputs, nn.Identity() if inputs == outputs else shortcut(inputs, outputs))
        for inputs, outputs in zip(widths, widths[1:])
    ]
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], 10)
    return nn.Sequential(conv_norm(channels, widths[0], 3), nn.ReLU(), *blocks, *head)


def fashion_network():
    return network(1, [16, 32, 64, 128], lambda inputs, outputs: conv_norm(inputs, outputs, 1, 2))


def cifar_network():
    model = network(3, [16, 16, 32, 64], lambda inputs, outputs: Subsampled())
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out")
    return model


RECIPES = {
    "fashion": dict(load=fashion, network=fashion_network, epochs=14, pad=1, decay=1e-4),
    "cifar": dict(load=cifar, network=cifar_network, epochs=30, pad=4, decay=5e-4),
}
BATCH, PEAK = 128, 0.2

options = argparse.ArgumentParser()
options.add_argument("set", choices=RECIPES)
options.add_argument("folder")
options.add_argument("--epochs", type=int)
options.add_argument("--limit", type=int)
options.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
options.add_argument("--threads", type=int, default=1)
options = options.parse_args()
recipe = RECIPES[options.set]
epochs, pad = options.epochs or recipe["epochs"], recipe["pad"]
torch.set_num_threads(options.threads)

(x, y), (test_x, test_y) = [
    (torch.from_numpy(x.astype(numpy.float32) / 255), torch.from_numpy(y.astype(numpy.int64))) for x, y in recipe["load"](options.folder)
]
x, y = x[: options.limit], y[: options.limit]
n, channels, side, _ = x.shape
padded = F.pad(x, (pad, pad, pad, pad))


def changed(of):
    """The pictures of these numbers, each perhaps mirrored, and moved by up to `pad` pixels."""
    top, left = torch.randint(2 * pad + 1, (2, len(of), 1))
    columns = torch.arange(side).expand(len(of), side)
    columns = torch.where(torch.rand(len(of), 1) < 0.5, columns.flip(1), columns) + left
    rows = torch.arange(side) + top
    return padded[of[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)  # channels last in memory


accuracies = []
for seed in options.seeds:
    torch.manual_seed(seed)
    model = recipe["network"]().to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=PEAK, momentum=0.9, nesterov=True, weight_decay=recipe["decay"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK, total_steps=epochs * -(-n // BATCH), cycle_momentum=False)
    for epoch in range(epochs):
        began, losses, right = time.time(), 0.0, 0
        for of in torch.randperm(n).split(BATCH):
            logits = model(changed(of))
            loss = F.cross_entropy(logits, y[of])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses += loss.item() * len(of)
            right += (logits.argmax(1) == y[of]).sum().item()
        seconds = time.time() - began
        print(f"seed {seed} epoch {epoch + 1}/{epochs}  loss {losses / n:.4f}  accuracy {right / n:.4f}  {seconds:.1f} s", flush=True)
    model.eval()
    with torch.no_grad():
        predicted = torch.cat([model(part).argmax(1) for part in test_x.split(256)])
    accuracies.append(100 * (predicted == test_y).double().mean().item())
    print(f"seed {seed}: test accuracy {accuracies[-1]:.2f} %", flush=True)
print(f"test accuracy, mean of {len(accuracies)}: {numpy.mean(accuracies):.2f} %")
