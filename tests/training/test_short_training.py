"""What makes short training accurate: Muon, averaged weights, small pictures first, flips in turns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from convolab.datasets import load
from convolab.errors import SettingsError
from convolab.networks import Network
from convolab.networks.layers import (
    BatchNorm2d,
    Conv2d,
    Flatten,
    GlobalAvgPool2d,
    Linear,
    ReLU,
)
from convolab.training import Training, TrainingSettings, make_optimizer
from convolab.training.averaging import Average
from convolab.training.data import TrainingData
from convolab.training.muon import Muon, all_orthogonal, orthogonal
from convolab.training.resizing import shrunk, size_at


def network() -> Network:
    return Network(
        input_shape=(1, 16, 16),
        layers=(
            Conv2d(out_channels=8, kernel_size=2, whitening=True),
            Conv2d(out_channels=8, kernel_size=3, padding=1, bias=False),
            BatchNorm2d(scale=False),
            ReLU(),
            GlobalAvgPool2d(),
            Linear(out_features=3),
        ),
    )


def trained(shapes: str, path: Path | None = None, **settings: object) -> Training:
    chosen = TrainingSettings(**{"batch_size": 32, "examples": 960, "precision": "fp32", **settings})
    training = Training(network(), load(shapes), chosen, checkpoint_path=path)
    for _ in training.events():
        pass
    return training


# ---------------------------------------------------------------- Muon


@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (9, 9)])
def test_steps_are_nearly_orthogonal_and_keep_their_directions(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    found = orthogonal(matrix)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    assert torch.linalg.svdvals(found).min() > 0.5
    assert torch.linalg.svdvals(found).max() < 1.3
    # In the matrix' own directions it is diagonal: only the sizes of the singular values change.
    inner = u.T @ found @ v.T
    assert torch.allclose(inner - torch.diag(inner.diagonal()), torch.zeros_like(inner), atol=1e-4)


def test_matrices_of_one_shape_that_go_together_are_what_each_is_alone() -> None:
    generator = torch.Generator().manual_seed(3)
    shapes = [(6, 20), (20, 6), (9, 9), (6, 20), (9, 9), (6, 20), (9, 9), (6, 20), (9, 9), (20, 6)]
    matrices = [torch.randn(shape, generator=generator) for shape in shapes]
    for matrix, found in zip(matrices, all_orthogonal(matrices), strict=True):
        assert found.shape == matrix.shape
        assert torch.allclose(found, orthogonal(matrix), atol=1e-5)


def test_without_matrices_muon_is_adam() -> None:
    torch.manual_seed(0)
    ours, theirs = nn.Parameter(torch.ones(5)), nn.Parameter(torch.ones(5))
    muon = Muon([], [ours], 0.1, betas=(0.9, 0.99))
    adam = torch.optim.Adam([theirs], 0.1, betas=(0.9, 0.99))
    for _ in range(20):
        slope = torch.randn(5)
        ours.grad, theirs.grad = slope.clone(), slope.clone()
        muon.step()
        adam.step()
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_muon_learns_and_goes_on_from_a_checkpoint(shapes: str, tmp_path: Path) -> None:
    settings = {"optimizer": "muon", "learning_rate": 0.02, "momentum": 0.9, "norm_rate": 4.0}
    whole = trained(shapes, **settings)
    assert whole.evaluation
    assert whole.evaluation.accuracy > 0.6
    trained(shapes, tmp_path / "c", **settings, target_accuracy=None, examples=480)
    resumed = trained(shapes, tmp_path / "c", **settings)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


def test_shifts_of_batch_norms_learn_faster_and_fixed_weights_not_at_all() -> None:
    model = network().build(0)
    optimizer = make_optimizer(model, TrainingSettings(norm_rate=16.0, weight_decay=0.1))
    (fast,) = [group for group in optimizer.param_groups if group.get("rate_factor", 1) == 16]
    assert [id(p) for p in fast["params"]] == [id(model[2].bias)]
    assert fast["weight_decay"] == 0
    learned = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert id(model[0].weight) not in learned
    assert id(model[2].weight) not in learned
    assert id(model[0].bias) in learned


# ---------------------------------------------------------------- whitening


def test_whitening_filters_stay_and_their_bias_learns_until_it_is_told_to_stop(shapes: str) -> None:
    begun = trained(shapes, batches=1, examples=None)
    filters, first = begun.model[0].weight.clone(), begun.model[0].bias.clone()
    whole = trained(shapes)
    assert torch.equal(whole.model[0].weight, filters)
    assert not torch.equal(whole.model[0].bias, first)
    stopped = trained(shapes, whitening_until=0.0)
    assert not stopped.model[0].bias.any()


# ---------------------------------------------------------------- averages


def test_the_average_is_the_sum_by_hand() -> None:
    model = nn.Sequential(nn.Linear(1, 1, bias=False))
    with torch.no_grad():
        model[0].weight.fill_(0.0)
        average = Average(model, 0.5)
        expected = 0.0
        for step in range(30):
            model[0].weight.fill_(float(step + 1))
            average.update(step)
            keep = min(0.5, (1 + step) / (10 + step))
            expected = keep * expected + (1 - keep) * (step + 1)
    assert average.model[0].weight.item() == pytest.approx(expected, rel=1e-5)


def test_the_average_is_what_is_measured_and_kept(shapes: str, tmp_path: Path) -> None:
    plain, averaged = trained(shapes), trained(shapes, average=0.95)
    assert averaged.evaluation != plain.evaluation
    after = averaged.model.state_dict()
    assert all(torch.equal(v, averaged.measured.state_dict()[name]) for name, v in after.items())
    trained(shapes, tmp_path / "c", average=0.95, examples=480)
    begun = Training(
        network(),
        load(shapes),
        TrainingSettings(batch_size=32, examples=960, precision="fp32", average=0.95),
        checkpoint_path=tmp_path / "c",
    )
    assert begun.average
    assert begun.examples == 480


# ---------------------------------------------------------------- small pictures first


def test_sizes_grow_to_the_whole_picture() -> None:
    sizes = [size_at(32, 0.5, done / 20) for done in range(21)]
    assert sizes[0] == 16
    assert sizes == sorted(sizes)
    assert all(size % 2 == 0 for size in sizes)
    assert sizes[14] == sizes[-1] == 32
    assert size_at(29, 1.0, 0.0) == 29


def test_shrunk_pictures_keep_their_mean() -> None:
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    small = shrunk(images, 0.5, 0.0)
    assert small.shape == (2, 3, 16, 16)
    assert torch.allclose(small.mean((2, 3)), images.mean((2, 3)), atol=0.02)
    assert shrunk(images, 0.5, 1.0) is images


def test_growing_pictures_train_and_misfits_are_refused(shapes: str) -> None:
    found = trained(shapes, start_size=0.5)
    assert found.evaluation
    assert found.evaluation.accuracy > 0.4
    flat = Network(input_shape=(1, 16, 16), layers=(Flatten(), Linear(out_features=3)))
    with pytest.raises(SettingsError, match="takes pictures of 16×16 only"):
        Training(flat, load(shapes), TrainingSettings(start_size=0.5, examples=64, batch_size=32))
    with pytest.raises(ValueError, match="need to know when training ends"):
        TrainingSettings(start_size=0.5)


# ---------------------------------------------------------------- flips in turns


def test_two_passes_show_every_image_from_both_sides(shapes: str) -> None:
    data = load(shapes)
    settings = TrainingSettings(flip=True, alternate_flip=True, seed=4, batch_size=32)
    stream = TrainingData(data, settings, torch.device("cpu"))
    count = len(stream)
    shown: list[dict[int, bool]] = []
    for epoch in range(3):
        stream.take(epoch * count, 1)
        assert stream._draws.flip is not None
        shown.append(dict(zip(stream._order.tolist(), stream._draws.flip.tolist(), strict=True)))
    assert all(shown[0][i] != shown[1][i] and shown[0][i] == shown[2][i] for i in range(count))
    assert 0.3 < sum(shown[0].values()) / count < 0.7
    # In the pictures themselves: both passes together are symmetric.
    random = replace(stream.augmentation, alternate=False)
    assert random.alternate is False
