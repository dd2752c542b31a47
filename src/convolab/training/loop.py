"""The training loop: a generator of typed events."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.nn import functional

from convolab import fused
from convolab.datasets import Dataset
from convolab.errors import TrainingError
from convolab.evaluation.measure import evaluate_tensors
from convolab.networks.modules import WhiteningConv2d, whiten
from convolab.training.checkpoints import CheckpointError
from convolab.training.checks import explained, not_finite_message
from convolab.training.control import Control
from convolab.training.data import TrainingData, images_tensor, labels_tensor
from convolab.training.device import use_all_cores
from convolab.training.events import (
    Evaluated,
    Event,
    Finished,
    Progress,
    Started,
)
from convolab.training.optimizers import set_learning_rate
from convolab.training.precision import choose_precision, make_forward
from convolab.training.resizing import shrunk
from convolab.training.schedules import schedule_factor
from convolab.training.settings import TrainingSettings
from convolab.training.state import NotFinite
from convolab.training.steering import SteeredState
from convolab.winograd.layer import compile_for

if TYPE_CHECKING:
    from convolab.networks import Network

REPORT_SECONDS = 0.15
"""Training seconds between two Progress events."""
WHITENED_ON = 2000
"""Training images from which the filters of whitening convolutions are computed."""


class Training(SteeredState):
    """One run of training, steered by a control and reported as events.

    With ``checkpoint_path`` it saves its whole state there at pauses, stops, the end, and every
    ``checkpoint_every`` seconds of training; if a checkpoint is there already, it goes on from that one. On
    the CPU in fp32 the weights are then bit for bit those of a run that was never interrupted (on the same
    machine and versions). ``initial_weights`` (a state dict, or the path of a file of `save_weights`)
    replaces the initial weights of the seed.

    Raises ConvolabError with one sentence if the parts do not fit together.
    """

    def __init__(
        self,
        network: Network,
        dataset: Dataset,
        settings: TrainingSettings,
        *,
        control: Control | None = None,
        checkpoint_path: str | Path | None = None,
        checkpoint_every: float = 15.0,
        initial_weights: Mapping[str, Tensor] | str | Path | None = None,
    ) -> None:
        super().__init__(network, dataset, settings, initial_weights, control, checkpoint_path)
        self.checkpoint_every = checkpoint_every
        self.finished: Finished | None = None
        self._running = False
        self._data: TrainingData | None = None
        if self.checkpoint_path and self.checkpoint_path.exists():
            self._restore(self.checkpoint_path)

    @classmethod
    def resume(
        cls, path: str | Path, network: Network, dataset: Dataset, settings: TrainingSettings, **options: Any
    ) -> Training:
        """Training that goes on from the checkpoint at ``path``, and keeps its checkpoints there.

        CheckpointError if there is none, TrainingError if it belongs to another network, data set or settings
        (when to stop may differ).
        """
        if not Path(path).exists():
            raise CheckpointError(f"There is no checkpoint at {path}.")
        return cls(network, dataset, settings, checkpoint_path=path, **options)

    def events(self) -> Iterator[Event]:
        """Train; yields what happens. Ends after Finished, or after Paused when the control says release.

        Between two events the model may be used freely (and put into evaluation mode), and what the caller
        does with PyTorch's random numbers makes no difference.
        """
        if self._running:
            raise TrainingError("This training is under way already; make another one to train again.")
        self._running = True
        inner = self._events()
        try:
            while True:
                self.model.train()
                self._tick = time.perf_counter()
                try:
                    with self._randomness:
                        event = next(inner)
                except StopIteration:
                    return
                except (RuntimeError, ValueError, MemoryError) as error:
                    if sentence := explained(error, self.settings):
                        raise sentence from error
                    raise
                finally:
                    self._tick = None  # what is done with the event does not count as training
                yield event
        finally:
            inner.close()
            self._running = False

    # ---------------------------------------------------------------- the loop

    def _events(self) -> Generator[Event, None, None]:
        threads = use_all_cores()
        self._prepare()
        assert self.precision is not None
        yield Started(
            examples=self.examples,
            parameters=sum(p.numel() for p in self.model.parameters() if p.requires_grad),
            train_size=len(self.dataset.train_labels),
            test_size=len(self.dataset.test_labels),
            device=str(self.device),
            precision=self.precision.name,
            precision_reason=self.precision.reason,
            threads=threads,
            planned_examples=self.plan.planned_examples,
        )
        try:
            reason = yield from self._train()
            if reason != "release":
                yield from self._finish(reason)
        except NotFinite:
            yield self._end(
                "not finite",
                not_finite_message(self.settings, self.learning_rate, self.examples, self.checkpointed_at),
            )

    def _prepare(self) -> None:
        """Bring the images into memory and choose the precision, once."""
        if self._data is not None:
            return
        if self.precision is None:
            shape = (self.settings.batch_size, *self.dataset.input_shape)
            self.precision = choose_precision(self.model, shape, self.device, self.settings.precision)
        if self.device.type == "cpu":
            prepare = compile_for if self.precision.name == "fp32" else fused.prepare_for
            prepare(self.model)
        self._forward = make_forward(self.model, self.precision.name, self.device)
        self._measured_forward = (
            make_forward(self.measured, self.precision.name, self.device) if self.average else self._forward
        )
        self._test_images = images_tensor(self.dataset.test_images, self.device)
        self._test_labels = labels_tensor(self.dataset.test_labels, self.device)
        self._data = TrainingData(self.dataset, self.settings, self.device)
        self._whitening_biases = [
            module.bias
            for module in self.model.modules()
            if isinstance(module, WhiteningConv2d) and module.bias is not None
        ]
        if not self.fitted:
            whiten(self.model, self._data.normalize(self._data.images[:WHITENED_ON]))
            if self.average:
                self.average.model.load_state_dict(self.model.state_dict())
            self.fitted = True

    def _train(self) -> Generator[Event, None, str]:
        """Train until a stop condition is met, and say which (or "release")."""
        if self.evaluation is None:
            yield self._evaluate()
        control, plan, position, pace = self.control, self.plan, self.position, self.pace
        checkpointed = position.seconds
        while True:
            commands = control.poll()
            if commands.paused or commands.stop or commands.release or commands.learning_rate is not None:
                verdict = yield from self._obey(commands)
                if verdict != "go on":
                    return "user" if verdict == "stop" else verdict
            if self._target_reached():
                return "target accuracy"
            if reason := plan.end(position):
                return reason
            self._batch()
            if position.seconds - self._reported_seconds >= REPORT_SECONDS:
                yield from self._progress()
            if pace.due(position):
                yield from self._progress()
                yield self._evaluate()
            if position.seconds - checkpointed >= self.checkpoint_every and self.checkpoint_path:
                checkpointed = position.seconds
                yield from self._progress()
                verdict = yield from self._checkpoint()
                if verdict != "go on":
                    return "user" if verdict == "stop" else verdict

    def _batch(self) -> None:
        assert self._data is not None
        position, plan = self.position, self.plan
        size = plan.next_size(position)
        images, labels = self._data.take(position.examples, size)
        done = plan.fraction(position) or 0.0
        images = shrunk(images, self.settings.start_size, done)
        # A last batch that was cut short takes a step as much shorter: a handful of examples would else move
        # the weights as far as a whole batch, at the worst moment (linear scaling rule, Goyal et al. 2017).
        share = size / self.settings.batch_size
        set_learning_rate(self.optimizer, self._scaled_learning_rate() * share)
        self.optimizer.zero_grad()
        self._learn_whitening_biases(not done >= self.settings.whitening_until < 1)
        logits = self._forward(images)
        loss = functional.cross_entropy(logits, labels, label_smoothing=self.settings.label_smoothing)
        loss.backward()
        self.optimizer.step()
        if self.average:
            self.average.update(position.batches)
        self.figures.add(loss, logits, labels)
        position.examples += len(labels)
        position.batches += 1
        now = time.perf_counter()
        position.seconds += now - (self._tick or now)
        self._tick = now

    def _learn_whitening_biases(self, learn: bool) -> None:
        # With no gradient for the bias nothing need be computed backwards below the next convolution, which
        # is the largest map of the network.
        for bias in self._whitening_biases:
            bias.requires_grad_(learn)

    def _finish(self, reason: str) -> Iterator[Event]:
        """The last figures, the last checkpoint, the end."""
        yield from self._progress()
        if self.evaluated_at != self.examples or self.evaluation is None:
            yield self._evaluate()
        message = self.plan.ending(reason, self.position)
        if self.checkpoint_path:
            verdict = yield from self._checkpoint(stopping=reason == "user")
            if verdict == "release":
                return
            if verdict == "stop" and self.checkpointed_at != self.examples:
                message += " Its last checkpoint could not be written."
        yield self._end(reason, message)

    def _end(self, reason: str, message: str) -> Finished:
        self._learn_whitening_biases(True)
        if self.average and reason != "not finite":
            self.model.load_state_dict(self.average.model.state_dict())
        position, test = self.position, self.evaluation
        self.finished = Finished(
            examples=position.examples,
            stopped_because=reason,
            message=message,
            batches=position.batches,
            seconds=position.seconds,
            examples_per_second=position.examples / position.seconds if position.seconds else 0.0,
            train_accuracy=self.figures.recent_accuracy,
            test_accuracy=test.accuracy if test else None,
            test_loss=test.loss if test else None,
        )
        return self.finished

    # ---------------------------------------------------------------- figures

    def _scaled_learning_rate(self) -> float:
        if self.settings.schedule == "constant":
            return self.learning_rate
        return self.learning_rate * schedule_factor(self.settings, self.plan.fraction(self.position))

    def _progress(self) -> Iterator[Event]:
        """Report the batches since the last report, if any."""
        count = self.figures.count
        if not count:
            return
        self._read_clock()
        loss, accuracy = self.figures.report()
        if not math.isfinite(loss):
            raise NotFinite
        position = self.position
        seconds = position.seconds - self._reported_seconds
        self._reported_seconds = position.seconds
        speed = count / seconds if seconds > 0 else 0.0
        yield Progress(
            examples=position.examples,
            batches=position.batches,
            epoch=self.plan.epoch(position),
            seconds=position.seconds,
            loss=loss,
            train_accuracy=accuracy,
            examples_per_second=speed,
            learning_rate=self._scaled_learning_rate(),
            fraction=self.plan.fraction(position),
            seconds_left=self.plan.seconds_left(position, position.examples / position.seconds),
        )

    def _evaluate(self) -> Evaluated:
        assert self._data is not None
        self._read_clock()
        self.measured.eval()
        result = evaluate_tensors(
            self._measured_forward,
            self._test_images,
            self._test_labels,
            self._data.normalize,
            len(self.dataset.classes),
        )
        self.model.train()
        self._tick = time.perf_counter()
        if not math.isfinite(result.loss):
            raise NotFinite
        self.evaluation, self.evaluated_at = result, self.examples
        self.pace.evaluated(self.position, result.seconds)
        return Evaluated(
            examples=self.examples,
            batches=self.position.batches,
            seconds=self.position.seconds,
            test_loss=result.loss,
            test_accuracy=result.accuracy,
            correct=result.correct,
            total=result.total,
            evaluation_seconds=result.seconds,
            confusion=result.confusion,
        )

    def _target_reached(self) -> bool:
        target = self.settings.target_accuracy
        return target is not None and self.evaluation is not None and self.evaluation.accuracy >= target


def train(
    network: Network,
    dataset: Dataset,
    settings: TrainingSettings | None = None,
    *,
    control: Control | None = None,
    checkpoint_path: str | Path | None = None,
    checkpoint_every: float = 15.0,
    initial_weights: Mapping[str, Tensor] | str | Path | None = None,
) -> Iterator[Event]:
    """Train a new network and yield what happens; `Training` says what the arguments mean and keeps the
    model.

    Arguments that do not fit together raise a ConvolabError at once, not at the first event.
    """
    training = Training(
        network,
        dataset,
        settings or TrainingSettings(),
        control=control,
        checkpoint_path=checkpoint_path,
        checkpoint_every=checkpoint_every,
        initial_weights=initial_weights,
    )
    return training.events()
