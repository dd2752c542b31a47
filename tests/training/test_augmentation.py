import numpy as np
import pytest
import torch

from convolab.errors import SettingsError
from convolab.training import TrainingSettings
from convolab.training.augmentation import Augmentation, Draws

H, W, C = 9, 11, 3


def images(count=40):
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (count, H, W, C), dtype=np.uint8))


def made(**settings):
    fill = torch.tensor([10, 20, 30], dtype=torch.uint8)
    return Augmentation.of(TrainingSettings(**settings), H, W, fill)


def drawn(augmentation, count=40, seed=0):
    return augmentation.draw(count, torch.Generator().manual_seed(seed))


def test_flip_mirrors_the_chosen_images_and_no_others():
    augmentation, before = made(flip=True), images()
    draws = drawn(augmentation)
    after = augmentation.apply(before, draws).numpy()
    assert 5 < int(draws.flip.sum()) < 35
    for old, new, flip in zip(before.numpy(), after, draws.flip, strict=True):
        np.testing.assert_array_equal(new, old[:, ::-1] if flip else old)


def test_shift_is_numpys_reflecting_pad_and_crop():
    augmentation, before = made(shift=4), images()
    draws = drawn(augmentation)
    after = augmentation.apply(before, draws).numpy()
    for old, new, (down, right) in zip(before.numpy(), after, draws.shift.tolist(), strict=True):
        padded = np.pad(old, ((4, 4), (4, 4), (0, 0)), mode="reflect")
        np.testing.assert_array_equal(new, padded[4 - down : 4 - down + H, 4 - right : 4 - right + W])


def test_shift_uses_every_distance_about_equally():
    moves = drawn(made(shift=2), 20_000).shift.flatten().tolist()
    counts = {move: moves.count(move) for move in sorted(set(moves))}
    assert list(counts) == [-2, -1, 0, 1, 2]
    assert all(abs(count - 8000) < 400 for count in counts.values())


@pytest.mark.parametrize("side", [1, 4, 5])
def test_cutout_blanks_one_square_with_the_mean_and_nothing_else(side):
    augmentation, before = made(cutout=side), images()
    draws = drawn(augmentation)
    after = augmentation.apply(before, draws).numpy()
    for old, new, (row, column) in zip(before.numpy(), after, draws.cutout.tolist(), strict=True):
        expected = old.copy()
        top, left = row - side // 2, column - side // 2
        expected[max(0, top) : top + side, max(0, left) : left + side] = [10, 20, 30]
        np.testing.assert_array_equal(new, expected)


def test_cutout_covers_all_pixels_of_the_middle_equally_often():
    augmentation = made(cutout=3)
    white = torch.full((20_000, H, W, C), 255, dtype=torch.uint8)
    blank = (augmentation.apply(white, drawn(augmentation, 20_000))[..., 0] != 255).float().mean(0)
    assert blank[1:-1, 1:-1].min() > 0.8 * 9 / (H * W)
    assert blank[1:-1, 1:-1].max() < 1.2 * 9 / (H * W)


def test_rotation_is_numpys_quarter_turn_at_90_degrees_and_nothing_at_0():
    square = images()[:, :, :H].contiguous()
    augmentation = Augmentation(H, H, rotation=90)
    turns = torch.tensor([0.0, 0.5, 1.0, -0.5]) * torch.pi
    after = augmentation.apply(square[:4], Draws(turn=turns)).numpy()
    for old, new, quarters in zip(square.numpy(), after, (0, 1, 2, -1), strict=False):
        np.testing.assert_allclose(new.astype(int), np.rot90(old, quarters).astype(int), atol=1)


def test_a_square_scaled_twice_as_large_is_twice_as_large():
    before = torch.zeros(1, 16, 20, 1, dtype=torch.uint8)
    before[:, 6:10, 8:12] = 255
    for scale, side in ((2.0, 8), (1.0, 4), (0.5, 2)):
        after = Augmentation(16, 20, scaling=1.0).apply(before, Draws(scale=torch.tensor([scale])))
        area = float(after[:, 2:14, 3:17].float().sum()) / 255  # farther out there are mirrors of it
        assert area == pytest.approx(side**2, rel=0.02)
        middle = after[0, 8 - side // 2 : 8 + side // 2, 10 - side // 2 : 10 + side // 2]
        assert middle.float().mean() > 0.7 * 255


def test_stroke_of_one_pixel_is_a_grey_dilation_or_erosion():
    before = images(2)
    after = Augmentation(H, W, stroke=1.0).apply(before, Draws(stroke=torch.tensor([1.0, -1.0]))).numpy()
    padded = [np.pad(old, ((1, 1), (1, 1), (0, 0)), mode="edge") for old in before.numpy()]
    windows = [np.lib.stride_tricks.sliding_window_view(p, (3, 3), (0, 1)) for p in padded]
    np.testing.assert_array_equal(after[0], windows[0].max((-2, -1)))
    np.testing.assert_array_equal(after[1], windows[1].min((-2, -1)))


def test_turns_scales_and_strokes_stay_in_their_ranges_and_fill_them():
    draws = drawn(made(rotation=30, scaling=0.25, stroke=0.5), 5000)
    assert draws.turn.abs().max() <= np.pi / 6 < draws.turn.abs().max() * 1.01
    assert 0.8 <= draws.scale.min() < 0.81
    assert 1.24 < draws.scale.max() <= 1.25
    assert 0.49 < draws.stroke.max() <= 0.5
    assert abs(float(draws.scale.log().mean())) < 0.01


def test_same_generator_same_result_and_the_data_set_is_left_alone():
    augmentation, before = made(flip=True, shift=3, cutout=2), images()
    kept = before.clone()
    first = augmentation.apply(before, drawn(augmentation))
    assert torch.equal(first, augmentation.apply(before, drawn(augmentation)))
    assert not torch.equal(first, augmentation.apply(before, drawn(augmentation, seed=1)))
    assert torch.equal(before, kept)


def test_turning_one_change_on_does_not_alter_the_others():
    alone = drawn(made(flip=True))
    together = drawn(made(flip=True, shift=3, cutout=2, rotation=5, scaling=0.1, stroke=0.2))
    assert torch.equal(alone.flip, together.flip)
    assert alone.shift is None
    assert alone.cutout is None


def test_off_means_off():
    augmentation = made()
    assert not augmentation
    assert drawn(augmentation) == Draws()


@pytest.mark.parametrize("name", ["shift", "cutout"])
def test_too_much_for_the_images_is_one_sentence(name):
    with pytest.raises(SettingsError, match=r"9×11 images.*at most 8"):
        made(**{name: 9})
