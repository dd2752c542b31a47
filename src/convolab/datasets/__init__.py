"""MNIST, Fashion-MNIST, CIFAR-10 and your own images: where they come from, checked and cached.

Names are imported when they are first used, so that listing the data sets loads neither NumPy nor Pillow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from convolab.lazy import lazily

if TYPE_CHECKING:
    from convolab.datasets.browse import Page, examples, picture, sprite
    from convolab.datasets.dataset import Dataset, load, verify
    from convolab.datasets.listing import DatasetInfo, catalogue, folder_size, info, remove
    from convolab.datasets.measures import Statistics, normalizer, statistics
    from convolab.datasets.own import ImportReport, import_images
    from convolab.datasets.pictures import dataset_input, open_picture, picture_to_input
    from convolab.datasets.progress import Fetching

_HOME_OF = {
    "Dataset": "dataset",
    "DatasetInfo": "listing",
    "Fetching": "progress",
    "ImportReport": "own",
    "Page": "browse",
    "Statistics": "measures",
    "catalogue": "listing",
    "dataset_input": "pictures",
    "examples": "browse",
    "folder_size": "listing",
    "import_images": "own",
    "info": "listing",
    "load": "dataset",
    "normalizer": "measures",
    "open_picture": "pictures",
    "picture": "browse",
    "picture_to_input": "pictures",
    "remove": "listing",
    "sprite": "browse",
    "statistics": "measures",
    "verify": "dataset",
}

__all__ = [
    "Dataset",
    "DatasetInfo",
    "Fetching",
    "ImportReport",
    "Page",
    "Statistics",
    "catalogue",
    "dataset_input",
    "examples",
    "folder_size",
    "import_images",
    "info",
    "load",
    "normalizer",
    "open_picture",
    "picture",
    "picture_to_input",
    "remove",
    "sprite",
    "statistics",
    "verify",
]

__getattr__, __dir__ = lazily(__name__, _HOME_OF)
