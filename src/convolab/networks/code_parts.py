"""The pieces of exported scripts; `convolab.networks.export` chooses them and fills them in."""

from __future__ import annotations

HEAD = '''"""{name} on {dataset}, trained with PyTorch: {parameters} parameters, {optimizer}.

    python THIS_FILE.py --data FOLDER

FOLDER holds train_images.npy, train_labels.npy, test_images.npy and test_labels.npy: pictures as uint8
(number, channels, height, width), labels as whole numbers from 0. Without --data they are looked for
where convolab keeps its data sets.
"""
'''

IMPORTS = """import argparse
{copy}{math}import os
import sys
{time}from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
"""

SCALED_TANH = '''
class ScaledTanh(nn.Module):
    """1.7159 tanh(2x/3): 1 stays 1 and -1 stays -1."""

    def forward(self, x):
        return 1.7159 * torch.tanh(x * (2 / 3))
'''

TABLE_CONV = '''
class TableConv2d(nn.Conv2d):
    """A convolution in which output map o sees only the input maps connections[o]."""

    def __init__(self, in_channels, connections, **options):
        super().__init__(in_channels, len(connections), **options)
        mask = torch.zeros(len(connections), in_channels, 1, 1)
        for output, inputs in enumerate(connections):
            mask[output, inputs] = 1
        self.register_buffer("mask", mask)
{rescale}
    def forward(self, x):
        return F.conv2d(x, self.weight * self.mask, self.bias, self.stride, self.padding)
'''

TABLE_RESCALE = """        with torch.no_grad():  # fewer inputs, larger weights
            self.weight *= (in_channels / mask.sum(1, keepdim=True)) ** 0.5
"""

RESIDUAL = '''
class Residual(nn.Module):
    """Adds the input, through the shortcut if there is one, to what the body makes of it."""

    def __init__(self, body, shortcut=None):
        super().__init__()
        self.body = body
        self.shortcut = shortcut or nn.Identity()

    def forward(self, x):
        return self.body(x) + self.shortcut(x)
'''

INITIALIZE = {
    "original": '''
@torch.no_grad()
def initialize(model):
    """Normal values without the tails, biases 0: as in the assignment's Model Builder."""
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            deviation = 0.1 if isinstance(module, nn.Conv2d) else module.in_features**-0.5
            nn.init.trunc_normal_(module.weight, 0.0, deviation, -2 * deviation, 2 * deviation)
            if module.bias is not None:
                module.bias.zero_()
''',
    "pytorch": "",  # PyTorch fills the weights when it makes a layer
    "dirac": '''
@torch.no_grad()
def initialize(model):
    """The first maps of each convolution begin by passing the input maps on; the rest is PyTorch's."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.dirac_(module.weight[: module.in_channels])
''',
}

NORMALIZERS = {
    "[-1, 1]": '''
def normalizer(images):
    """A function that turns pixels 0 ... 255 into -1 ... 1."""
    return lambda batch: batch / 127.5 - 1
''',
    "[0, 1]": '''
def normalizer(images):
    """A function that turns pixels 0 ... 255 into 0 ... 1."""
    return lambda batch: batch / 255
''',
    "none": '''
def normalizer(images):
    """A function that leaves pixels 0 ... 255 as they are, as floating-point numbers."""
    return lambda batch: batch.float()
''',
    "per-channel": '''
def normalizer(images):
    """A function that gives each channel mean 0 and deviation 1, as measured on these images."""
    pixels = torch.arange(256)
    statistics = []
    for channel in range(images.shape[1]):
        share = torch.bincount(images[:, channel].flatten(), minlength=256) / images[:, channel].numel()
        mean = (share * pixels).sum()
        deviation = (share * (pixels - mean) ** 2).sum().sqrt()
        statistics.append([mean, deviation if deviation > 0 else 1.0])
    mean, deviation = torch.tensor(statistics).T.reshape(2, -1, 1, 1)
    return lambda batch: (batch - mean) / deviation
''',
}

LOAD = '''
def default_folder():
    """Where convolab keeps this data set on this computer: fetched, or made of your own images."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    home = Path(os.environ.get("CONVOLAB_HOME") or base / "convolab").expanduser()
    fetched = Path(os.environ.get("CONVOLAB_DATA") or home / "datasets").expanduser() / DATASET
    own = home / "images" / DATASET
    return own if own.is_dir() and not fetched.is_dir() else fetched


def load(folder):
    """Training images and labels, test images and labels; images as uint8, labels as int64."""
    tensors = []
    for name in ("train_images", "train_labels", "test_images", "test_labels"):
        path = folder / (name + ".npy")
        try:
            tensors.append(torch.tensor(np.load(path)))
        except (OSError, ValueError, EOFError, TypeError) as error:
            reason = getattr(error, "strerror", None) or "it is not such a file"
            sys.exit(f"{path} cannot be read: {reason}; say with --data which folder holds the data set.")
    train_images, train_labels, test_images, test_labels = tensors
    if tuple(train_images.shape[1:]) != PICTURE or tuple(test_images.shape[1:]) != PICTURE:
        sys.exit(f"The network takes pictures of {PICTURE}, but those in {folder} have another shape.")
    return train_images, train_labels.long(), test_images, test_labels.long()
'''

AUGMENT = '''
def augment({arguments}):
    """A changed version of each training image of a batch."""
{shape}{steps}    return images
'''

FLIP = """    mirrored = torch.rand(count) < 0.5
    images[mirrored] = images[mirrored].flip(3)
"""

SHIFT = """    # What comes in at one edge is mirrored there.
    padded = F.pad(images, [SHIFT] * 4, mode="reflect")
    corners = torch.randint(0, 2 * SHIFT + 1, (count, 2)).tolist()
    images = torch.stack([image[:, y : y + height, x : x + width] for image, (y, x) in zip(padded, corners)])
"""

TURN = """    # Turned and scaled around the middle; what comes in at the edges is mirrored there.
    turn = (torch.rand(count) * 2 - 1) * math.radians(ROTATION)
    scale = (1 + SCALING) ** (torch.rand(count) * 2 - 1)
    cosine, sine, zero = turn.cos() / scale, turn.sin() / scale, torch.zeros(count)
    rows = [cosine, -sine * height / width, zero, sine * width / height, cosine, zero]
    grid = F.affine_grid(torch.stack(rows, 1).view(count, 2, 3), list(images.shape), align_corners=False)
    images = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
"""

STROKE = """    # Bright areas grow or shrink.
    share = ((torch.rand(count) * 2 - 1) * STROKE).view(-1, 1, 1, 1)
    most, least = F.max_pool2d(images, 3, 1, 1), -F.max_pool2d(-images, 3, 1, 1)
    images = images + torch.where(share > 0, share * (most - images), share * (images - least))
"""

CUTOUT = """    # A square around a random centre gets the mean colour.
    rows = torch.arange(height) - torch.randint(0, height, (count, 1)) + CUTOUT // 2
    columns = torch.arange(width) - torch.randint(0, width, (count, 1)) + CUTOUT // 2
    rows, columns = (rows >= 0) & (rows < CUTOUT), (columns >= 0) & (columns < CUTOUT)
    images = torch.where((rows[:, :, None] & columns[:, None, :])[:, None], colour, images)
"""

SCHEDULES = {
    "step": '''
def schedule(done):
    """Factor on the learning rate when this share of training is done: two steps down."""
    return STEP_FACTOR ** ((done >= 0.5) + (done >= 0.75))
''',
    "cosine": '''
def schedule(done):
    """Factor on the learning rate when this share of training is done: half a cosine from 1 to 0."""
    return 0.5 * (1 + math.cos(math.pi * done))
''',
    "linear": '''
def schedule(done):
    """Factor on the learning rate when this share of training is done: a straight fall to 0."""
    return 1 - done
''',
    "one-cycle": '''
def schedule(done):
    """Factor on the learning rate when this share of training is done: up to 1, then down a cosine."""
    if done < WARMUP:
        return 0.04 + 0.96 * done / WARMUP
    return 0.5 * (1 + math.cos(math.pi * (done - WARMUP) / (1 - WARMUP)))
''',
}

EVALUATE = '''
@torch.no_grad()
def accuracy(model, images, labels, normalize):
    """Share of the images that the model classifies right."""
    model.eval()
    right = 0
    for start in range(0, len(labels), 500):
        part = slice(start, start + 500)
        right += (model(normalize(images[part])).argmax(1) == labels[part]).sum().item()
    model.train()
    return right / len(labels)
'''

TRAIN = '''
def train(model, images, labels, normalize, test):
    """Train to the end; test() tells the test accuracy now and then."""
    optimizer = {optimizer}
    order = torch.empty(0, dtype=torch.int64)
    seen = {steps}0
    report = EVALUATE_EVERY
{setup}    while True:
{progress}        size = {size}
{rate}        while len(order) < size:  # every image once, then all again in another order
            order = torch.cat([order, torch.randperm(len(labels))])
        chosen, order = order[:size], order[size:]

        batch = {batch}
        loss = F.cross_entropy(model(batch), labels[chosen]{smoothing})
        optimizer.zero_grad()
        loss.backward()
{frozen}        optimizer.step()
{averaging}
        seen += size
{count}        if seen >= report:
            report += EVALUATE_EVERY
{before}            tested = test({measured})
{after}            print(f"{{seen:,}} examples: loss {{loss:.3f}}, test accuracy {{tested:.4f}}", flush=True)
{target}{ending}'''

SHORT_BATCH = """        # A last batch that is cut short takes a step as much shorter.
"""

RATE = """        for group in optimizer.param_groups:
            group["lr"] = {rate} * {factors}
"""

MAIN = """
def main():
    parser = argparse.ArgumentParser(description="Train a network and measure it on all test images.")
    parser.add_argument("--data", type=Path, default=default_folder(), help="folder of the .npy files")
    folder = parser.parse_args().data
{device}
    train_images, train_labels, test_images, test_labels = load(folder)
    normalize = normalizer(train_images)

    torch.manual_seed({weights_seed})
    model = make_network()
{initialize}{whiten}{reseed}
    def test(measured=model):
        return accuracy(measured, test_images, test_labels, normalize)

    train(model, train_images, train_labels, normalize, test)
    print(f"Test accuracy: {{test():.4f}} on {{len(test_labels):,}} images")


if __name__ == "__main__":
    main()
"""
