"""Experiments: variants and repeats of a run, sweeps, the challenge; all of them ordinary runs of the lab."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convolab.lazy import lazily

if TYPE_CHECKING:
    from convolab.experiments.challenge import (
        challenge_recipe,
        check_repeat,
        score_of,
        start_challenge,
        start_repeat,
    )
    from convolab.experiments.differences import (
        LayerChange,
        SettingRow,
        network_differences,
        setting_differences,
        unfair,
    )
    from convolab.experiments.executor import Executor, Here, go_on, open_executor, wait_for
    from convolab.experiments.plateaus import Plateau, plateau
    from convolab.experiments.recipe import Recipe, recipe_of
    from convolab.experiments.records import Experiment, Member, experiments, find_experiment
    from convolab.experiments.results import Outcome, Point, Summary, summarise
    from convolab.experiments.scores import (
        Score,
        export_score,
        find_score,
        high_scores,
        import_score,
        keep_score,
        remove_score,
    )
    from convolab.experiments.speed import convolution_speed, this_machine
    from convolab.experiments.spreads import Spread, spread
    from convolab.experiments.sweep_driver import Driver
    from convolab.experiments.sweep_space import SPACES, Dimension, parse_dimension
    from convolab.experiments.sweeps import Parallel, Sweep, Trial
    from convolab.experiments.variants import Proposal, Variant, proposal, proposals
    from convolab.experiments.variation import start_repeats, start_variation, vary

_HOME_OF = {
    "Dimension": "sweep_space",
    "Driver": "sweep_driver",
    "Executor": "executor",
    "Experiment": "records",
    "Here": "executor",
    "LayerChange": "differences",
    "Member": "records",
    "Outcome": "results",
    "Parallel": "sweeps",
    "Plateau": "plateaus",
    "Point": "results",
    "Proposal": "variants",
    "Recipe": "recipe",
    "SPACES": "sweep_space",
    "Score": "scores",
    "SettingRow": "differences",
    "Spread": "spreads",
    "Summary": "results",
    "Sweep": "sweeps",
    "Trial": "sweeps",
    "Variant": "variants",
    "challenge_recipe": "challenge",
    "check_repeat": "challenge",
    "convolution_speed": "speed",
    "experiments": "records",
    "export_score": "scores",
    "find_experiment": "records",
    "find_score": "scores",
    "go_on": "executor",
    "high_scores": "scores",
    "import_score": "scores",
    "keep_score": "scores",
    "network_differences": "differences",
    "open_executor": "executor",
    "parse_dimension": "sweep_space",
    "plateau": "plateaus",
    "proposal": "variants",
    "proposals": "variants",
    "recipe_of": "recipe",
    "remove_score": "scores",
    "score_of": "challenge",
    "setting_differences": "differences",
    "spread": "spreads",
    "start_challenge": "challenge",
    "start_repeat": "challenge",
    "start_repeats": "variation",
    "start_variation": "variation",
    "summarise": "results",
    "this_machine": "speed",
    "unfair": "differences",
    "vary": "variation",
    "wait_for": "executor",
}

__all__ = [
    "SPACES",
    "Dimension",
    "Driver",
    "Executor",
    "Experiment",
    "Here",
    "LayerChange",
    "Member",
    "Outcome",
    "Parallel",
    "Plateau",
    "Point",
    "Proposal",
    "Recipe",
    "Score",
    "SettingRow",
    "Spread",
    "Summary",
    "Sweep",
    "Trial",
    "Variant",
    "challenge_recipe",
    "check_repeat",
    "convolution_speed",
    "experiments",
    "export_score",
    "find_experiment",
    "find_score",
    "go_on",
    "high_scores",
    "import_score",
    "keep_score",
    "network_differences",
    "open_executor",
    "parse_dimension",
    "plateau",
    "proposal",
    "proposals",
    "recipe_of",
    "remove_score",
    "score_of",
    "setting_differences",
    "spread",
    "start_challenge",
    "start_repeat",
    "start_repeats",
    "start_variation",
    "summarise",
    "this_machine",
    "unfair",
    "vary",
    "wait_for",
]

__getattr__, __dir__ = lazily(__name__, _HOME_OF)
