"""Teaching: features, classifiers, explanations and measures, against PyTorch, NumPy and scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier
from teach_kit import KINDS, examples, lab_weights, picture, tiny_base, tiny_network
from torch.nn import functional

from convolab.datasets import load
from convolab.errors import DataError, SettingsError
from convolab.evaluation import evaluate
from convolab.runs import load_network
from convolab.style.pictures import to_tensor
from convolab.teach.bases import TrainedBase, features, layer_of
from convolab.teach.caching import FeatureCache
from convolab.teach.examples import Examples, opened, tidy
from convolab.teach.explaining import activation_map, evidence
from convolab.teach.measures import Labelled, compare_layers, counts_for, feature_map, learning_curve
from convolab.teach.neighbours import vote
from convolab.teach.scaling import Scaling, grid
from convolab.teach.settings import TeachSettings
from convolab.teach.teaching import Taught, labels_of, split, teach

SETTINGS = TeachSettings(size=32, layer="relu3_1")


@pytest.fixture(scope="module")
def module_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("teach") / "home"
        patch.setenv("CONVOLAB_HOME", str(home))
        yield home


@pytest.fixture(scope="module")
def base():
    return tiny_base()


@pytest.fixture(scope="module")
def cache(base, module_home: Path) -> FeatureCache:
    return FeatureCache(base, 32)


@pytest.fixture(scope="module")
def taught(base, cache: FeatureCache) -> Taught:
    return teach(examples(), SETTINGS, title="Shapes", base=base, cache=cache)


# ---------------------------------------------------------------- features


def test_features_are_the_means_of_the_maps(base) -> None:
    seen = opened(tidy(picture("discs", 1)))
    found = features(base, seen, 32, ["relu1_1", "pool2"])
    x = (to_tensor(seen, 32, 32) * 255 - torch.tensor([124.0, 117.0, 104.0]).view(1, 3, 1, 1)) / 64
    first, _, second, *_ = [module for name, module in tiny_network().steps if name[:4] in ("conv", "pool")]
    one = functional.relu(functional.conv2d(x, first.weight, padding=1))
    two = functional.relu(functional.conv2d(functional.max_pool2d(one, 2), second.weight, padding=1))
    np.testing.assert_allclose(found["relu1_1"], one.mean((0, 2, 3)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        found["pool2"], functional.max_pool2d(two, 2).mean((0, 2, 3)), rtol=1e-4, atol=1e-6
    )


def test_a_network_of_the_lab_gives_its_last_hidden_layer(tmp_path: Path) -> None:
    base = TrainedBase("file", "small", lab_weights(tmp_path / "w.safetensors"))
    assert base.layers == ("conv1", "relu1", "pool1", "linear2", "relu2")
    assert base.default == "relu2"
    seen = picture("discs", 0, 16)
    pixels = torch.from_numpy(np.array(seen)).permute(2, 0, 1)[None].float()
    model = base.network.build(1).eval()
    with torch.no_grad():
        expected = model[:6]((pixels - 127.5) / 127.5)[0]
    np.testing.assert_allclose(features(base, seen, 224, ["relu2"])["relu2"], expected, atol=1e-5)
    with pytest.raises(SettingsError, match=r'no layer in small "relu5_3".*relu2'):
        layer_of(base, "relu5_3")


def test_features_are_computed_once_and_damaged_ones_anew(base, home: Path) -> None:
    calls: list[int] = []
    content = tidy(picture("plain", 0))

    def open_it():
        calls.append(1)
        return opened(content)

    cache = FeatureCache(base, 32)
    assert cache.compute_all({"a" * 16: open_it}) == 1
    first = cache.get(["a" * 16], "relu2_1")
    again = FeatureCache(base, 32)  # as after a restart
    assert again.compute_all({"a" * 16: open_it}) == 0
    np.testing.assert_array_equal(again.get(["a" * 16], "relu2_1"), first)
    assert len(calls) == 1
    assert FeatureCache(base, 48).missing(["a" * 16])  # another size has features of its own
    (path,) = cache.folder.rglob("*.safetensors")
    path.write_bytes(b"damaged")
    made = examples(2)
    teach(made, SETTINGS, base=base, record=False)
    for kept in cache.folder.rglob("*.safetensors"):
        kept.write_bytes(b"damaged")
    assert teach(made, SETTINGS, base=base, record=False).feature_seconds > 0


# ---------------------------------------------------------------- classifiers


def test_neighbours_vote_as_scikit_learns() -> None:
    random = np.random.default_rng(0)
    known, labels = random.normal(size=(40, 7)).astype(np.float32), random.integers(0, 3, 40)
    asked = random.normal(size=(25, 7)).astype(np.float32)
    theirs = KNeighborsClassifier(5, metric="cosine", weights="distance").fit(known, labels)
    np.testing.assert_allclose(vote(asked, known, labels, 3, 5), theirs.predict_proba(asked), atol=1e-4)
    # An image that is an example decides alone, and more neighbours than there are examples are all of them.
    assert vote(known[:1], known, labels, 3, 5)[0, labels[0]] == 1
    assert vote(asked, known[:2], labels[:2], 3, 50).sum(1) == pytest.approx(1)


def test_pixels_hold_features_to_a_hundredth_of_a_deviation() -> None:
    random = np.random.default_rng(1)
    values = random.gamma(2.0, 3.0, (50, 30)).astype(np.float32)
    scaling = Scaling.of(values)
    exact = (values - values.mean(0)) / values.std(0)
    inside = np.abs(exact) < 3.9
    found = scaling.standard(scaling.images(values))
    assert np.abs(found - exact)[inside].max() <= 0.5 / 32 + 1e-4
    assert scaling.images(values).shape == (50, 1, *grid(30)[1:])
    assert grid(512) == (1, 16, 32)
    assert grid(97)[1] * grid(97)[2] >= 97


def test_a_head_is_an_ordinary_network_and_its_training_an_ordinary_run(taught: Taught) -> None:
    assert taught.run_id
    made = taught.classifier
    assert taught.tested.accuracy == 1
    assert len(taught.tested.ids) == 6  # two of eight, rounded, of each class
    network, model, info = load_network(taught.run_id)
    data = load(taught.dataset)
    assert info.classes == KINDS == data.classes
    assert network.input_shape == data.input_shape == made.scaling.grid
    measured = evaluate(model, data)
    assert (measured.correct, measured.total) == (taught.tested.correct, 6)


def test_the_same_examples_teach_the_same(base, cache: FeatureCache, taught: Taught) -> None:
    again = teach(examples(), SETTINGS, base=base, cache=cache, record=False)
    np.testing.assert_allclose(again.tested.shares, taught.tested.shares, atol=1e-6)
    assert again.tested.ids == taught.tested.ids


@pytest.mark.parametrize("kind", ["mlp", "knn"])
def test_other_classifiers_learn_too(kind: str, base, cache: FeatureCache) -> None:
    found = teach(
        examples(), SETTINGS.changed(classifier=kind, hidden=16), base=base, cache=cache, record=False
    )
    assert found.tested.accuracy == 1
    assert found.classifier.look(picture("stripes", 99)).label == KINDS.index("stripes")
    assert (found.classifier.network is None) == (kind == "knn")


# ---------------------------------------------------------------- why


def test_the_evidence_of_all_places_is_the_output_of_the_linear_head(taught: Taught) -> None:
    made = taught.classifier
    seen = made.look(picture("discs", 50))
    weight = made.model[1].weight.detach().numpy()[:, : len(seen.feature)]
    slopes = weight[0] - (weight[1] + weight[2]) / 2
    standard = (seen.feature - made.scaling.mean) / made.scaling.deviation
    found = evidence(made, picture("discs", 50), 0, seen)
    assert found.method == "class activation map"
    assert found.values.mean() == pytest.approx(float(slopes @ standard) * 32 / 127.5, rel=1e-3)


def test_the_evidence_lies_where_the_thing_is(base, cache: FeatureCache) -> None:
    made = teach(
        examples(kinds=("discs", "plain")), SETTINGS, base=base, cache=cache, record=False
    ).classifier
    left = picture("plain", 60)
    left.paste(picture("discs", 60).crop((10, 10, 30, 30)), (0, 10))
    for kind in ("linear", "knn"):
        one = made if kind == "linear" else teach(
            examples(kinds=("discs", "plain")), SETTINGS.changed(classifier="knn"), base=base, cache=cache
        ).classifier  # fmt: skip
        values = activation_map(one, one.look(left), 0)
        half = values.shape[1] // 2
        assert values[:, :half].mean() > values[:, half:].mean()


def test_where_a_layer_has_no_places_parts_are_covered(tmp_path: Path, home: Path) -> None:
    base = TrainedBase("file", "small", lab_weights(tmp_path / "w.safetensors"))
    made = teach(examples(4), TeachSettings(), base=base, record=False).classifier
    found = evidence(made, picture("discs", 5), 0)
    assert found.method == "occlusion"
    assert found.values.shape == (7, 7)
    assert np.abs(found.values).max() <= 1


def test_the_nearest_example_of_an_example_is_itself(taught: Taught) -> None:
    made = taught.classifier
    examples_of = examples().content
    seen = made.look(opened(examples_of[made.example_ids[4]]))
    first, *others = made.nearest(seen.feature, 4)
    assert (first.id, first.label) == (made.example_ids[4], int(made.labels[4]))
    assert first.similarity == pytest.approx(1, abs=1e-5)
    assert [one.similarity for one in others] == sorted((one.similarity for one in others), reverse=True)


# ---------------------------------------------------------------- measures


def test_the_map_is_that_of_principal_components(taught: Taught) -> None:
    standard = taught.classifier.examples
    found = feature_map(standard)
    theirs = PCA(2).fit(standard)
    np.testing.assert_allclose(found.explained, theirs.explained_variance_ratio_, rtol=1e-3)
    np.testing.assert_allclose(np.abs(found.place(standard)), np.abs(theirs.transform(standard)), atol=1e-3)


def test_curve_and_layers(taught: Taught, cache: FeatureCache, base) -> None:
    train, test = (
        {layer: Labelled(cache.get([i.id for i in part], layer), labels_of(part)) for layer in base.layers}
        for part in split(taught.items)
    )
    layer = "relu3_1"
    assert counts_for(train[layer].labels, 3) == [1, 2, 5, 6]
    points = learning_curve(train[layer], test[layer], KINDS, SETTINGS, base, layer, draws=2)
    assert [point.per_class for point in points] == [1, 2, 5, 6]
    assert all(len(point.values) == 2 for point in points)
    assert points[-1].mean == 1
    scores = compare_layers({name: train[name] for name in ("relu1_1", layer)}, test, KINDS, SETTINGS, base)
    assert [(one.layer, one.features) for one in scores] == [("relu1_1", 12), (layer, 30)]
    assert scores[1].linear == 1


# ---------------------------------------------------------------- examples


def test_removing_an_example_changes_what_it_should(base, cache: FeatureCache, taught: Taught) -> None:
    made = examples()
    before = {item.id: item.part for item in made.items()}
    gone = taught.classifier.example_ids[0]
    seen = taught.classifier.look(opened(made.content[gone]))
    assert taught.classifier.nearest(seen.feature, 1)[0].id == gone
    made.remove(gone)
    after = {item.id: item.part for item in made.items()}
    assert set(before) - set(after) == {gone}
    # At most one of the same class changes sides, because the held-out share is of fewer images now.
    moved = [one for one in after if after[one] != before[one]]
    assert set(moved) <= set(made.classes[0].ids)
    assert len(moved) <= 1
    found = teach(made, SETTINGS, base=base, cache=cache, record=False)
    assert gone not in found.classifier.example_ids
    assert len(found.items) == len(taught.items) - 1
    assert found.classifier.nearest(seen.feature, 1)[0].id != gone


def test_images_are_kept_square_and_small() -> None:
    made = Examples()
    key = made.add_class("A").key
    wide = picture("discs", 0, 300).resize((600, 300))
    first = made.add(key, wide)
    assert first
    assert opened(made.content[first]).size == (224, 224)
    assert made.add(key, wide) is None  # the same image again
    small = made.add(key, picture("plain", 0, 32))
    assert small
    np.testing.assert_array_equal(
        np.asarray(opened(made.content[small])), np.asarray(picture("plain", 0, 32))
    )
    with pytest.raises(DataError, match="4×4 pixels; at least 8"):
        made.add(key, picture("plain", 0, 8).resize((4, 4)))
    with pytest.raises(DataError, match="cannot be used"):
        made.add(key, b"no picture")


def test_what_cannot_be_learned_from_is_said_in_one_sentence() -> None:
    made = Examples()
    with pytest.raises(DataError, match="There are no classes yet"):
        made.check()
    first = made.add_class("Cup")
    made.add(first.key, picture("discs", 0))
    with pytest.raises(DataError, match='only one class, "Cup"; add a second'):
        made.check()
    second = made.add_class("Pen")
    with pytest.raises(DataError, match='The class "Pen" has no images'):
        made.check()
    made.add(second.key, picture("plain", 0))
    with pytest.raises(DataError, match="only one image; give each at least two"):
        made.check()
    made.add(second.key, picture("plain", 1))
    made.check()
    with pytest.raises(SettingsError, match='There is a class "Pen" already'):
        made.rename(first.key, " Pen ")
    with pytest.raises(SettingsError, match="needs a name"):
        made.add_class("  ")
    for number in range(18):
        made.add_class(f"more {number}")
    with pytest.raises(SettingsError, match="20 classes at most"):
        made.add_class("one too many")
