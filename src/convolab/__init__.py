"""convolab: a laboratory for convolutional neural networks.

    import convolab
    data = convolab.load("mnist")
    network = convolab.preset("convolutional", data.input_shape, len(data.classes))
    for event in convolab.train(network, data, convolab.TrainingSettings(examples=10_000)):
        print(event)

Names are imported when they are first used, so that ``import convolab`` is immediate.
"""

from __future__ import annotations

import os

from convolab.lazy import lazily

# Threads that wait for each other must not spin for long: beside a browser or a second run on the same cores,
# spinning threads keep each other from working. Two cores with a load of 10, MNIST: 200 examples/s spinning,
# 920 to 1,690 waiting. But waking up takes longer than the steps of a small network do: a tenth of a
# millisecond of spinning (GNU's OpenMP alone knows it) makes 6,600 examples/s of 4,000 on quiet cores,
# and costs a tenth on busy ones. OpenMP reads both once, when PyTorch is loaded, so they stand before that.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

_HOME_OF = {
    "ConvolabError": "errors",
    "Dataset": "datasets",
    "Evaluation": "evaluation",
    "Inspector": "activations",
    "Network": "networks",
    "PRESETS": "networks",
    "Training": "training",
    "TrainingSettings": "training",
    "catalogue": "datasets",
    "confuse": "activations",
    "create_run": "runs",
    "evaluate": "evaluation",
    "exciting": "activations",
    "execute": "runs",
    "find": "runs",
    "import_images": "datasets",
    "learn_style": "style.fast",
    "load": "datasets",
    "load_network": "runs",
    "load_weights": "training",
    "look": "widgets.notebook",
    "preset": "networks",
    "save_weights": "training",
    "statistics": "datasets",
    "stylize": "style.fast",
    "train": "training",
}

__all__ = [*_HOME_OF]

__getattr__, __dir__ = lazily(__name__, _HOME_OF)
