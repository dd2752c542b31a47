"""What is known without building agrees with the network that is built."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
import torch
from random_networks import MAPS, sound_network
from torch.utils.flop_counter import FlopCounterMode

from convolab.networks import Network, preset
from convolab.networks.layers import (
    LENET5_CONNECTIONS,
    AvgPool2d,
    Conv2d,
    Flatten,
    Layer,
    Linear,
    MaxPool2d,
    ReLU,
    Residual,
)


def without_tables(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """PyTorch's counter counts a connection table as if it were full."""
    changed = []
    for layer in layers:
        if isinstance(layer, Conv2d):
            layer = layer.changed(connections=None)
        elif isinstance(layer, Residual):
            layer = layer.changed(layers=without_tables(layer.layers))
        changed.append(layer)
    return tuple(changed)


@pytest.mark.parametrize("seed", range(60))
def test_shapes_parameters_and_work_are_those_of_the_built_network(seed: int) -> None:
    network = sound_network(random.Random(seed))
    network = network.changed(layers=without_tables(network.layers))
    model = network.build()
    shapes = []
    for module in model:
        module.register_forward_hook(lambda _m, _i, output: shapes.append(tuple(output.shape)))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(torch.zeros(2, *network.input_shape))
    trace = network.trace()
    assert [(2, *step.output_shape) for step in trace] == shapes
    learned = [sum(p.numel() for p in m.parameters() if p.requires_grad) for m in model]
    assert [step.parameters for step in trace] == learned
    assert network.multiply_adds * 2 * 2 == counter.get_total_flops()  # 2 pictures, an addition each


def test_memory_counts_every_output_also_inside_blocks() -> None:
    block = Residual(layers=(Conv2d(out_channels=4, kernel_size=1), ReLU()))
    network = Network(input_shape=(1, 6, 6), layers=(block, Flatten(), Linear(out_features=3)))
    inside, projection, total = 2 * 4 * 36, 4 * 36, 4 * 36
    assert network.memory_per_example == 4 * (36 + inside + projection + total + 144 + 3)


def test_the_connection_table_is_that_of_lenet_5() -> None:
    layer = Conv2d(out_channels=16, kernel_size=5, connections=LENET5_CONNECTIONS)
    assert layer.parameters((6, 14, 14)) == 1516
    assert layer.multiply_adds((6, 14, 14)) + 16 * 100 == 151_600  # LeCun 1998 counts the biases too
    module = layer.build((6, 14, 14))
    assert sum(p.numel() for p in module.parameters()) == 1516


def test_a_map_changes_only_with_the_maps_it_is_connected_to() -> None:
    torch.manual_seed(0)
    layer = Conv2d(out_channels=16, kernel_size=5, connections=LENET5_CONNECTIONS)
    module = layer.build((6, 14, 14))
    x = torch.randn(1, 6, 14, 14)
    before = module(x)
    for changed in range(6):
        y = x.clone()
        y[:, changed] += 1
        differs = ((module(y) - before).abs().amax(dim=(0, 2, 3)) > 1e-6).tolist()
        assert differs == [changed in inputs for inputs in LENET5_CONNECTIONS]


def smooth(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """The same windows, but with an output that depends on every input in the window."""
    changed: list[Layer] = []
    for layer in layers:
        if isinstance(layer, MaxPool2d):
            layer = AvgPool2d(**{**layer.model_dump(), "type": "AvgPool2d"})
        elif isinstance(layer, Residual):
            layer = layer.changed(layers=smooth(layer.layers))
        changed.append(layer)
    return tuple(changed)


@pytest.mark.parametrize("seed", range(60))
def test_receptive_fields_are_where_the_gradient_is(seed: int) -> None:
    rng = random.Random(1000 + seed)
    network = sound_network(rng, tuple(kind for kind in MAPS if kind != "activation"), length=4)
    if rng.random() < 0.3:
        network = network.changed(layers=(*network.layers, Flatten(), Linear(out_features=2)))
    network = network.changed(layers=smooth(without_tables(network.layers)))
    model = network.build().double().eval()
    for parameter in model.parameters():
        torch.nn.init.uniform_(parameter, 0.5, 1.0)  # positive: nothing cancels
    height, width = network.input_shape[1:]
    for count, step in enumerate(network.trace(), 1):
        field = step.receptive_field
        if step.layer.type == "Flatten":
            continue
        x = torch.rand(1, *network.input_shape, dtype=torch.float64, requires_grad=True)
        out = model[:count](x)
        if out.dim() == 2:
            places = [(0, 0)]
        else:
            rows, columns = out.shape[2:]
            places = [(0, 0), (rows // 2, columns // 2), (rows - 1, columns - 1)]
        for y, column in places:
            unit = out[0, 0] if out.dim() == 2 else out[0, 0, y, column]
            (gradient,) = torch.autograd.grad(unit, x, retain_graph=True)
            seen = gradient[0].abs().sum(0).nonzero()
            top, left, bottom, right = field.region(y, column)
            if not len(seen):
                continue  # the unit sees only border
            assert seen.min(0).values.tolist() >= [top, left]
            assert seen[:, 0].min() >= top
            assert seen[:, 1].min() >= left
            assert seen[:, 0].max() < bottom
            assert seen[:, 1].max() < right
            start = field.start[0] + y * field.jump[0], field.start[1] + column * field.jump[1]
            uncut = all(
                s >= 0 and s + d <= n for s, d, n in zip(start, field.size, (height, width), strict=True)
            )
            if uncut and field.jump != (0, 0):
                assert (seen.max(0).values - seen.min(0).values + 1).tolist() == list(field.size)


def test_receptive_fields_of_a_known_network() -> None:
    trace = preset("convolutional", (1, 28, 28), 10).trace()
    sizes = [step.receptive_field.size[0] for step in trace]
    # 5×5, then pool 2×2 stride 2, then 5×5 two pixels apart, then pool; fully connected sees all.
    assert sizes == [5, 5, 6, 14, 14, 16, 16, 28]
    assert trace[3].receptive_field.jump == (2, 2)
    assert trace[3].receptive_field.start == (-6, -6)
    assert trace[3].receptive_field.region(0, 0) == (0, 0, 8, 8)
    assert trace[3].receptive_field.text == "14 × 14"


def test_floor_allows_what_the_rule_refuses() -> None:
    network = Network(input_shape=(1, 28, 28), layers=(MaxPool2d(kernel_size=3, stride=2),))
    assert network.trace()[0].error is not None
    rounded = network.changed(floor=True)
    assert rounded.output_shape == (1, 13, 13)
    assert rounded.build()(torch.zeros(1, 1, 28, 28)).shape == (1, 1, 13, 13)


def test_after_an_error_nothing_is_known_and_nothing_is_raised() -> None:
    layers = (Conv2d(kernel_size=5, padding=2), MaxPool2d(kernel_size=3, stride=2), Flatten(), Linear())
    network = Network(input_shape=(1, 28, 28), layers=layers)
    trace = network.trace()
    assert [step.error is None for step in trace] == [True, False, True, True]
    assert [step.output_shape for step in trace] == [(1, 28, 28), None, None, None]
    assert network.output_shape is None
    assert network.parameters == 26


def test_descriptions_need_no_torch() -> None:
    program = (
        "import sys; from convolab.networks import *; n = preset('resnet', (3, 32, 32), 10); n.trace();"
        "Network.from_json(n.to_json()); n.to_code(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
