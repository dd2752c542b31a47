"""What was learned as one Python script that predicts without convolab: PyTorch, Pillow, safetensors."""

from __future__ import annotations

import json

from convolab.errors import SettingsError
from convolab.style.vgg import MEANS, VGGS
from convolab.teach.classifier import Classifier


def to_script(classifier: Classifier, file_name: str = "classes.teach") -> str:
    """A script that tells the user's own classes apart, with the file that `convolab.teach.pack` made.

    Called as ``python predict.py classes.teach vgg-16.safetensors IMAGE …``. SettingsError where the base is
    a network of the lab: its own code is exported in the room Build.
    """
    base = classifier.base
    if base.name not in VGGS:
        raise SettingsError(
            "Code can be exported for features of VGG; the code of a network of the lab is exported in Build."
        )
    layers = VGGS[base.name].layers
    steps = layers[: layers.index(classifier.layer) + 1]
    return _SCRIPT.format(
        title=classifier.title,
        file=file_name.replace('"', ""),
        base=base.name,
        classes=json.dumps(list(classifier.classes), ensure_ascii=False),
        layers=json.dumps([step for step in steps if not step.startswith("relu")]),
        last_relu=classifier.layer.startswith("relu"),
        size=classifier.settings.size,
        means=list(MEANS),
        classify=_knn(classifier) if classifier.network is None else _head(classifier),
    )


def _head(classifier: Classifier) -> str:
    assert classifier.network is not None
    modules = [f"        {step.layer.code(step.input_shape or ())},\n" for step in classifier.network.trace()]
    return _HEAD.format(modules="".join(modules))


def _knn(classifier: Classifier) -> str:
    return _KNN.format(neighbours=classifier.settings.neighbours)


_HEAD = '''
def classify(standard, tensors):
    """Shares of the classes of features in deviations from the mean: the head that was trained."""
    model = nn.Sequential(
{modules}    )
    model.load_state_dict({{name[5:]: value for name, value in tensors.items() if name.startswith("head.")}})
    grid = torch.zeros(model[1].in_features)
    grid[: len(standard)] = standard * STEPS
    pixels = ((grid + MIDDLE).clamp(0, 255) - 127.5) / 127.5
    return model.eval()(pixels[None])[0].softmax(0)
'''

_KNN = '''
def classify(standard, tensors):
    """Shares of the votes of the nearest examples, each the more the nearer (cosine)."""
    examples = functional.normalize(tensors["examples"], dim=1)
    cosines, order = (examples @ functional.normalize(standard, dim=0)).topk(min({neighbours}, len(examples)))
    distances = (1 - cosines).clamp_min(1e-7)
    weights = (distances <= 1e-7).float() if (distances <= 1e-7).any() else 1 / distances
    shares = torch.zeros(len(CLASSES)).index_add_(0, tensors["labels"][order], weights)
    return shares / shares.sum()
'''

_SCRIPT = '''"""Tells apart the classes that were taught in convolab: {title}.

    pip install torch pillow safetensors numpy
    python predict.py {file} {base}.safetensors IMAGE ...

The first file was saved in the lab, the second holds the weights of the feature network as the lab keeps them
(in its data folder, feature-networks). Nothing leaves this machine.
"""

import sys
import zipfile

import numpy as np
import safetensors.torch
import torch
from PIL import Image, ImageOps
from torch import nn
from torch.nn import functional

CLASSES = {classes}
LAYERS = {layers}
LAST_IS_RELU = {last_relu}
SIZE = {size}  # pixels a side
KEPT = 224  # the lab keeps no more pixels a side of an image
MEANS = torch.tensor({means}).view(1, 3, 1, 1)
MIDDLE, STEPS = 128.0, 32.0  # features are rounded to 1/32 of their deviation


def square(path):
    """The centre of a picture, as large as the network takes it."""
    picture = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    picture = picture.crop((left, top, left + side, top + side))
    kept = min(side, KEPT)
    for size in (kept, SIZE):
        if picture.width != size:
            picture = picture.resize((size, size), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float()


def features(x, vgg):
    """The mean of each map of the last layer."""
    x = (x - MEANS).flip(1)  # the weights expect blue, green, red
    for layer in LAYERS:
        if layer.startswith("pool"):
            x = functional.max_pool2d(x, 2)
            continue
        x = functional.conv2d(x, vgg[layer + ".weight"], vgg[layer + ".bias"], padding=1)
        if layer != LAYERS[-1] or LAST_IS_RELU:
            x = functional.relu(x)
    return x.mean((0, 2, 3))

{classify}

def main():
    taught, weights, *images = sys.argv[1:]
    with zipfile.ZipFile(taught) as archive:
        tensors = safetensors.torch.load(archive.read("classifier.safetensors"))
    vgg = safetensors.torch.load_file(weights)
    with torch.no_grad():
        for path in images:
            scaled = (features(square(path), vgg) - tensors["mean"]) / tensors["deviation"] * STEPS
            standard = (scaled + MIDDLE).round().clamp(0, 255).sub(MIDDLE) / STEPS
            shares = classify(standard, tensors)
            best = shares.argsort(descending=True)
            print(path, *(f"{{CLASSES[i]}} {{100 * shares[i]:.1f}} %" for i in best[:3]), sep="  ")


if __name__ == "__main__":
    main()
'''
