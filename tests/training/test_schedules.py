import pytest

from convolab.training import TrainingSettings, schedule_factor
from convolab.training.plan import EvaluationPace, Plan, Position


def factors(schedule, at, **settings):
    spec = TrainingSettings(schedule=schedule, examples=100, **settings)
    return [schedule_factor(spec, t) for t in at]


@pytest.mark.parametrize(
    ("schedule", "settings", "at", "expected"),
    [
        ("constant", {}, [0, 0.5, 1], [1, 1, 1]),
        ("step", {"step_factor": 0.1}, [0, 0.49, 0.5, 0.74, 0.75, 1], [1, 1, 0.1, 0.1, 0.01, 0.01]),
        ("cosine", {}, [0, 1 / 3, 0.5, 1], [1, 0.75, 0.5, 0]),
        ("linear", {}, [0, 0.25, 1], [1, 0.75, 0]),
        ("one-cycle", {"warmup": 0.2}, [0, 0.1, 0.2, 0.6, 1], [0.04, 0.52, 1, 0.5, 0]),
        ("one-cycle", {"warmup": 0}, [0, 0.5, 1], [1, 0.5, 0]),
    ],
)
def test_known_points(schedule, settings, at, expected):
    assert factors(schedule, at, **settings) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("schedule", ["constant", "step", "cosine", "linear", "one-cycle"])
def test_factors_stay_between_0_and_1(schedule):
    assert all(0 <= f <= 1 for f in factors(schedule, [i / 500 - 0.1 for i in range(600)]))


def test_the_stop_condition_nearest_to_being_met_drives_the_schedule():
    plan = Plan(TrainingSettings(examples=1000, batches=100, epochs=4, budget=50), train_size=500)
    assert plan.planned_examples == 1000
    assert plan.fraction(Position(100, 5, 2.0)) == 0.1
    assert plan.fraction(Position(100, 50, 2.0)) == 0.5
    assert plan.fraction(Position(100, 5, 40.0)) == 0.8
    assert plan.fraction(Position(2000, 5, 40.0)) == 1.0
    assert Plan(TrainingSettings(), 500).fraction(Position(100, 5, 2.0)) is None


def test_seconds_left_until_the_first_stop_condition():
    plan = Plan(TrainingSettings(examples=1000, budget=30), train_size=500)
    assert plan.seconds_left(Position(600, 6, 10.0), 40.0) == 10.0
    assert plan.seconds_left(Position(600, 6, 25.0), 40.0) == 5.0
    assert Plan(TrainingSettings(), 500).seconds_left(Position(600, 6, 10.0), 40.0) is None


def test_automatic_evaluation_is_early_then_takes_at_most_its_share():
    for cost in (0.01, 0.3, 2.0, 20.0):
        pace, position, times = EvaluationPace(0), Position(), []
        pace.evaluated(position, cost)
        while position.seconds < 2000:
            position.seconds += 0.05
            position.examples += 1
            if pace.due(position):
                times.append(position.seconds)
                pace.evaluated(position, cost)
        assert times[0] <= max(1.0, cost) + 0.1
        assert (len(times) + 1) * cost / (position.seconds + (len(times) + 1) * cost) < 0.17
        assert 10 <= len(times) < 600


def test_evaluation_every_so_many_examples():
    pace, position, seen = EvaluationPace(1000), Position(), []
    pace.evaluated(position, 0.1)
    for _ in range(60):
        position.examples += 64
        if pace.due(position):
            seen.append(position.examples)
            pace.evaluated(position, 0.1)
    assert seen == [1024, 2048, 3008]
