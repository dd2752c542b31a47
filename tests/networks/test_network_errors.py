"""Errors say what is wrong, and every fix that is offered really mends it."""

from __future__ import annotations

import pickle
import random

import pytest
import torch
from random_networks import bad_network

from convolab.errors import NetworkError
from convolab.networks import Network, ShapeError, make_layer
from convolab.networks.layers import (
    BatchNorm2d,
    Conv2d,
    Flatten,
    GlobalAvgPool2d,
    Linear,
    MaxPool2d,
    ReLU,
    Reshape,
    Residual,
)
from convolab.networks.trace import MAX_ACTIVATIONS, MAX_PARAMETERS

MNIST = (1, 28, 28)


def network(*layers: object, shape: tuple[int, int, int] = MNIST, **options: object) -> Network:
    return Network(input_shape=shape, layers=layers, **options)


def labels(error: ShapeError | None) -> list[str]:
    assert error is not None
    return [fix.label for fix in error.fixes]


def test_every_fix_offered_mends_the_layer_as_pytorch_sees_it() -> None:
    rng = random.Random(7)
    errors = fixes = 0
    for _ in range(400):
        bad = bad_network(rng)
        error = bad.problem()
        if error is None:
            continue
        errors += 1
        assert error.fixes, f"no fix offered: {error} in {bad.to_json()}"
        for fix in error.fixes:
            fixes += 1
            mended = fix.apply(bad)
            moved = len(fix.added) - fix.remove if len(error.position) == 1 else 0
            end = error.position[0] + 1 + moved
            # All up to and with the mended layer runs in PyTorch, and gives the shape that was foretold.
            first = mended.changed(layers=mended.layers[:end])
            later = first.problem()
            if later is not None:
                # Inside a block, the fix answers for its layer; the next error must be further on.
                assert len(error.position) > 1
                place = (*error.position[:-1], error.position[-1] + len(fix.added), 99)
                assert (*later.position, 99) > (error.position if fix.remove else place)
                continue
            with torch.no_grad():
                out = first.build().eval()(torch.zeros(2, *first.input_shape))
            assert tuple(out.shape[1:]) == first.output_shape
    assert errors > 200
    assert fixes > 500


def test_fixes_make_the_output_one_value_per_class() -> None:
    cases = [
        network(Flatten(), Linear(out_features=7)),
        network(Flatten(), Linear(out_features=7), ReLU()),
        network(Flatten()),
        network(Conv2d()),
        network(),
        network(GlobalAvgPool2d()),
    ]
    for case in cases:
        error = case.problem(10)
        assert error is not None
        assert error.fixes
        for fix in error.fixes:
            assert fix.apply(case).problem(10) is None
    assert labels(cases[0].problem(10))[0] == "Set the units of layer 2 to 10"
    assert "Add Flatten and a fully connected layer of 10 units" in labels(cases[3].problem(10))
    assert "7" in str(cases[0].problem(10))
    assert "10 classes" in str(cases[0].problem(10))


def test_a_window_that_does_not_divide_the_map() -> None:
    error = network(Conv2d(padding=1), MaxPool2d(kernel_size=3, stride=2), shape=(3, 32, 32)).problem()
    text = str(error)
    assert text.startswith("Layer 2 (Max pool): 32 × 32")
    assert "(32 − 3 + 2·0) / 2 + 1 = 15.5" in text
    assert error.position == (1,)
    assert error.input_shape == (1, 32, 32)
    assert labels(error) == [
        "Set stride to 1",
        "Set kernel size to 2",
        "Let the network round down, as PyTorch does",
    ]


def test_a_kernel_larger_than_the_map() -> None:
    error = network(Conv2d(kernel_size=40)).problem()
    assert "smaller than the kernel" in str(error)
    assert labels(error) == ["Set padding to 6", "Set kernel size to 28"]
    assert network(Conv2d(kernel_size=40), floor=True).problem() is not None


def test_padding_of_a_pool_is_at_most_half_the_kernel() -> None:
    error = network(MaxPool2d(kernel_size=3, stride=1, padding=2)).problem()
    assert "more than half" in str(error)
    assert labels(error) == ["Set padding to 1", "Set kernel size to 4"]
    with pytest.raises(RuntimeError, match="half"):  # PyTorch's own rule
        torch.nn.MaxPool2d(3, 1, 2)(torch.zeros(1, 1, 28, 28))


def test_fully_connected_after_maps() -> None:
    error = network(Linear()).problem()
    assert "1 map of 28 × 28 comes in" in str(error)
    assert labels(error)[0] == "Insert Flatten before it"
    assert error.fixes[0].apply(network(Linear())).layers == (Flatten(), Linear())


def test_convolution_after_flatten() -> None:
    bad = network(Conv2d(out_channels=2), Flatten(), ReLU(), Conv2d(out_channels=3))
    error = bad.problem()
    assert labels(error)[0] == "Move it before layer 2 (Flatten)"
    assert "Remove this layer" in labels(error)
    moved = error.fixes[0].apply(bad)
    assert [layer.type for layer in moved.layers] == ["Conv2d", "Conv2d", "Flatten", "ReLU"]
    square = network(Flatten(), BatchNorm2d()).problem()
    assert "Insert Reshape to 1 × 28 × 28 before it" in labels(square)


def test_reshape_to_another_number_of_units() -> None:
    error = network(Conv2d(out_channels=16, padding=1), Reshape(shape=(4, 28, 28))).problem()
    assert "12544" in str(error)
    assert labels(error)[0] == "Set the shape to 16 × 28 × 28"
    assert labels(network(Reshape(shape=(10,))).problem()) == ["Set the shape to 784"]


def test_a_block_whose_ends_cannot_be_added() -> None:
    block = Residual(layers=(Conv2d(out_channels=1, kernel_size=3),))
    error = network(block).problem()
    assert "cannot be added" in str(error)
    assert labels(error)[0] == "Set padding of its layer 1 to 1"
    flat = network(Flatten(), Residual(layers=(Linear(out_features=20),))).problem()
    assert labels(flat)[0] == "Set units of its layer 1 to 784"


def test_an_error_inside_a_block_names_the_layer_inside() -> None:
    block = Residual(layers=(ReLU(), Linear()))
    bad = network(ReLU(), block)
    error = bad.problem()
    assert error.position == (1, 1)
    assert str(error).startswith("Layer 2.2 (Fully connected)")
    inside = bad.trace()[1].inside
    assert inside[0].error is None
    assert inside[1].error is not None
    # Either fix leaves the block with ends that cannot be added, but the layer itself is sound.
    fixed = error.fixes[0].apply(bad)
    assert fixed.at((1, 1)) == Flatten()
    assert fixed.problem().position == (1,)


def test_a_connection_table_with_maps_that_are_not_there() -> None:
    error = network(Conv2d(out_channels=2, connections=((0,), (3,)))).problem()
    assert "input map 3" in str(error)
    assert error.fixes[0].apply(network(Conv2d(out_channels=2, connections=((0,), (3,))))).problem() is None
    for table in (((0,),), ((0,), ()), ((0,), (1, 1)), ((0,), (-1,))):
        with pytest.raises(NetworkError, match="onnections"):
            make_layer("Conv2d", out_channels=2, connections=table)


def test_huge_networks_are_refused_before_anything_is_built() -> None:
    with pytest.raises(NetworkError, match=r"Units must be less than or equal to 65536, not 1000000000\."):
        make_layer("Linear", out_features=10**9)
    wide = network(Flatten(), Linear(out_features=60_000), Linear(out_features=60_000))
    error = wide.problem()
    assert error.position == (2,)
    assert f"{MAX_PARAMETERS:,}" in str(error)
    assert error.fixes[0].apply(wide).problem() is None
    with pytest.raises(ShapeError):
        wide.build()
    many = network(*(Conv2d(out_channels=4000, padding=1) for _ in range(3)), shape=(1, 200, 200))
    error = many.problem()
    assert f"{MAX_ACTIVATIONS:,}" in str(error)
    assert error.position == (0,)
    mended = error.fixes[0].apply(many)
    assert mended.trace()[0].error is None
    assert mended.layers[0].out_channels == MAX_ACTIVATIONS // 40_000
    piled = network(*(Conv2d(out_channels=600, padding=1) for _ in range(4)), shape=(1, 200, 200))
    assert piled.problem().position == (2,)


def test_one_sentence_for_settings_out_of_range() -> None:
    with pytest.raises(NetworkError, match="Kernel size must be"):
        make_layer("Conv2d", kernel_size=0)
    with pytest.raises(NetworkError, match='no setting "stirde"'):
        make_layer("MaxPool2d", stirde=2)
    with pytest.raises(NetworkError, match="Share must be"):
        make_layer("Dropout", p=float("nan"))
    with pytest.raises(NetworkError, match='Did you mean "Conv2d"'):
        make_layer("Conv2D")
    with pytest.raises(NetworkError, match=r"Layer 1 \(Convolution\): Stride"):
        network(Conv2d()).changed_layer(0, stride=-1)


def test_errors_survive_the_way_between_processes() -> None:
    error = network(MaxPool2d(kernel_size=3, stride=2)).problem()
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error)
    assert copy.fixes == error.fixes
    assert copy.position == error.position


def test_check_compares_the_pictures_too() -> None:
    sound = network(Flatten(), Linear())
    sound.check(10, MNIST)
    with pytest.raises(NetworkError, match=r"1 × 28 × 28.*3 × 32 × 32"):
        sound.check(10, (3, 32, 32))
    with pytest.raises(ShapeError, match="7 classes"):
        sound.check(7)
