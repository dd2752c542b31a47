from __future__ import annotations

import pytest

from convolab.app.build.fields import from_text, tip, to_text
from convolab.errors import SettingsError
from convolab.networks import LAYERS
from convolab.spec import Knob, knobs
from convolab.training.settings import TrainingSettings
from convolab.words import shape_text


def knob(cls: type, name: str) -> Knob:
    return next(knob for knob in knobs(cls) if knob.name == name)


KERNEL = knob(LAYERS["Conv2d"], "kernel_size")
RATE = knob(TrainingSettings, "learning_rate")
EXAMPLES = knob(TrainingSettings, "examples")
SHAPE = knob(LAYERS["Reshape"], "shape")
CONNECTIONS = knob(LAYERS["Conv2d"], "connections")


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        (KERNEL, " 5 ", 5),
        (KERNEL, "5.0", 5),
        (EXAMPLES, "60,000", 60_000),
        (EXAMPLES, "60 000", 60_000),
        (EXAMPLES, "1e5", 100_000),
        (EXAMPLES, "", None),
        (RATE, "0,1", 0.1),
        (RATE, "1e-3", 0.001),
        (SHAPE, "7·7·16", (16, 7, 7)),
        (SHAPE, "7 x 7 x 16", (16, 7, 7)),
        (SHAPE, "784", (784,)),
        (CONNECTIONS, "0 1; 1, 2", ((0, 1), (1, 2))),
        (CONNECTIONS, "", None),
    ],
)
def test_text_is_read_as_people_write_it(field: Knob, text: str, value: object):
    assert from_text(field, text) == value


@pytest.mark.parametrize("field", [KERNEL, RATE, EXAMPLES, SHAPE, CONNECTIONS])
def test_a_value_survives_its_text(field: Knob):
    value = {"shape": (16, 7, 5), "connections": ((0,), (1, 2))}.get(field.name, 3)
    assert from_text(field, to_text(field, value)) == value


@pytest.mark.parametrize(
    ("field", "text"),
    [
        *((KERNEL, text) for text in ("5x", "2.5", "", "nan", "1e400")),
        *((RATE, text) for text in ("inf", "fast")),
    ],
)
def test_what_is_no_number_is_said_in_the_labels_words(field: Knob, text: str):
    with pytest.raises(SettingsError, match=field.label):
        from_text(field, text)


def test_shapes_are_written_as_in_the_assignment():
    assert shape_text((8, 28, 27)) == "28·27·8"
    assert shape_text((10,)) == "10"
    assert shape_text(None) == "?"


def test_the_explanation_has_range_unit_and_the_assignments_word():
    said = tip(KERNEL)
    assert "1 to 64 pixels" in said
    assert "field size" in said
