#!/usr/bin/env python3
"""Writes augment.jsonl beside this file: what torchvision makes of one small picture, values rounded to six digits.

    python3 test/golden/augment.py        # needs torchvision >= 0.14
"""
import json
from pathlib import Path

import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F

torch.manual_seed(3)
height, width = 8, 8
picture = torch.randint(30, 220, (3, height, width), dtype=torch.uint8)
unit = picture / 255
nearest = InterpolationMode.NEAREST

cases = {
    "brightness": F.adjust_brightness(unit, 1.4),
    "contrast": F.adjust_contrast(unit, 0.6),
    "saturation": F.adjust_saturation(unit, 1.7),
    "hue": F.adjust_hue(unit, 0.2),
    "sharpness": F.adjust_sharpness(unit, 1.8),
    "posterize": F.posterize(picture, 3) / 255,
    "solarize": F.solarize(picture, 128) / 255,
    "autoContrast": F.autocontrast(unit),
    "equalize": F.equalize(picture) / 255,
    "rotation": F.rotate(unit, 30, interpolation=nearest),
    "shear": F.affine(unit, 0, [0, 0], 1, [20, 0], interpolation=nearest),
    "shift": F.affine(unit, 0, [2, -1], 1, [0, 0], interpolation=nearest),
    "resize": F.resize(unit, [13, 11], antialias=False),
}

rows = lambda image: [round(v, 6) for v in image.permute(1, 2, 0).flatten().tolist()]
with open(Path(__file__).with_name("augment.jsonl"), "w") as file:
    print(json.dumps({"name": "picture", "shape": [height, width, 3], "data": picture.permute(1, 2, 0).flatten().tolist()}), file=file)
    for name, image in cases.items():
        print(json.dumps({"name": name, "shape": list(image.permute(1, 2, 0).shape), "data": rows(image)}), file=file)
