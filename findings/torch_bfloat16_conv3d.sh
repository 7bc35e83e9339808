#!/usr/bin/env bash
# torch leaves the weight gradient of a bfloat16 3-D convolution over two planes unset, on a CPU.
#
# With torch 2.15.0 on a processor with AVX-512 BF16, nn.Conv3d(64, 64, 3, padding=1) on an input whose first spatial axis
# has two voxels, under autocast to bfloat16, returns the right output and a weight gradient that holds whatever the
# memory held before: NaN here, where memory was filled with it, else any numbers. Along the other two axes two voxels
# are right, and so are 1, 3 and 4 along the first, and float32. A network with such a layer (torchvision's r3d_18 on 7
# slices: 7, 4, 2, 1) breaks in training without an error.
#
# Exits 0 if this is still so, 1 if it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet "torch==2.15.0" "numpy==2.4.6"

env/bin/python - <<'PYTHON'
"""Weight gradients in bfloat16 against float32, for several numbers of planes."""

import sys

import torch

torch.set_num_threads(1)
torch.manual_seed(0)
layer = torch.nn.Conv3d(64, 64, 3, padding=1)


def gradient(volume, weight, bfloat16):
    layer.weight.grad = None
    filled = [torch.full((layer.weight.numel() * k,), float("nan")) for k in (1, 2)]
    del filled  # what the next allocations may get
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        found = layer(volume)
    (found.float() * weight).sum().backward()
    return layer.weight.grad.clone()


wrong = []
for shape in ((1, 4, 4), (2, 4, 4), (3, 4, 4), (4, 2, 4), (4, 4, 2)):
    volume, weight = torch.randn(1, 64, *shape), torch.randn(1, 64, *shape)
    exact = gradient(volume, weight, False)
    errors = [float((gradient(volume, weight, True) - exact).abs().max() / exact.abs().max()) for _ in range(4)]
    if not all(error < 0.05 for error in errors):
        wrong.append(shape)
    print(shape, "relative errors", [f"{error:.3g}" for error in errors])
sys.exit(0 if wrong == [(2, 4, 4)] else 1)
PYTHON
