"""The data column: examples by class, figures, and how to get a data set that is not here yet."""

from __future__ import annotations

from nicegui import run, ui

from convolab.app import longwork, pictures
from convolab.app.build.fields import Field
from convolab.app.build.own_images import own_images_dialog
from convolab.app.state import DEFAULT_DATASET, BuildState, dataset_infos
from convolab.app.theme import box, button, text
from convolab.datasets import DatasetInfo, remove
from convolab.errors import ConvolabError
from convolab.spec import Knob
from convolab.words import shape_text

_CLASS = Knob("label", "choice", "-1", "Class", "Which class of examples to show.")
_PLAIN_NORMALIZATIONS = {
    "[-1, 1]": "−1 … 1",
    "[0, 1]": "0 … 1",
    "none": "0 … 255",
    "per-channel": "per channel",
}


def data_column(state: BuildState) -> None:
    """Create the column's upper part in the current slot."""
    DataColumn(state)


class DataColumn:
    """Follows the chosen data set; what takes long runs in threads and is looked at twice a second."""

    def __init__(self, state: BuildState) -> None:
        self._state = state
        self._split = "train"
        self._label: int | None = None
        self._page = 0
        self._pages = 1
        self._info: DatasetInfo | None = None
        self._counts: dict[str, list[int]] = {}
        with box("column-head"):
            text("Data", "grow", tag="h2")
            if "own-images" not in state.hidden:
                button("Your own images …", icon="o_add_photo_alternate", kind="link", on_click=self._own)
        self._body = box("stack data")
        self._timer = ui.timer(0.5, self._watch, active=False)
        state.subscribe(self._follow, "dataset")
        state.subscribe(self._range, "settings")
        self._follow()

    def _follow(self) -> None:
        info = dataset_infos().get(self._state.dataset)
        if info is None:  # removed in another tab
            self._state.change(dataset=DEFAULT_DATASET)
            return
        self._info = info
        self._label, self._page, self._counts, self._pages = None, 0, {}, 1
        self._timer.deactivate()
        self._body.clear()
        with self._body:
            if self._info.present:
                self._present()
            else:
                self._absent(self._info)

    # A data set that is not here yet.

    def _absent(self, info: DatasetInfo) -> None:
        with box("panel"):
            text(info.title, "large strong")
            text(
                f"{info.train_size:,} images to train on and {info.test_size:,} to test on, "
                f"{shape_text(info.input_shape)}, {len(info.classes)} classes.",
            )
            self._doing = text("", "small muted")
            self._doing.props["role"] = "status"
            with box("meter") as self._meter:
                self._bar = box("").style("width: 0")
            self._fetch_button = button(
                f"Fetch {info.title}"
                + (f" ({info.download_bytes / 1e6:.0f} MB)" if info.download_bytes else ""),
                icon="o_download",
                kind="main-action",
                on_click=self._fetch,
            )
            self._failed = text("", "note bad")
            self._failed.props["role"] = "alert"
            self._failed.set_visibility(False)
        # The first thing a newcomer sees must be pictures: the default data set comes by itself.
        if longwork.fetching(info.name) or info.name == DEFAULT_DATASET:
            self._fetch()
        else:
            self._show_work(None)
            self._doing.set_text("It is fetched once, checked, and kept on this machine.")

    def _fetch(self) -> None:
        if self._info is None:
            return
        self._work = longwork.fetch(self._info.name)
        self._failed.set_visibility(False)
        self._show_work(self._work)
        self._timer.activate()

    def _show_work(self, work: longwork.LongWork | None) -> None:
        self._fetch_button.set_visibility(work is None)
        self._meter.set_visibility(work is not None)
        if work is not None:
            self._doing.set_text(work.sentence)
            self._bar.style(f"width: {100 * (work.fraction or 0.02):.0f}%")

    def _watch(self) -> None:
        work = self._work
        if not work.finished:
            self._show_work(work)
            return
        self._timer.deactivate()
        if work.error:
            self._show_work(None)
            self._doing.set_text("")
            self._failed.set_text(work.error)
            self._failed.set_visibility(True)
            self._fetch_button.set_text("Try again")
            return
        self._follow()
        # Those who wait for images (predictions, training) look again.
        self._state.announce("data")

    # A data set that is here.

    def _present(self) -> None:
        info = self._info
        assert info is not None
        self._splits = box("segments")
        self._splits.props.update({"role": "group", "aria-label": "Part of the data set"})
        with self._splits:
            self._split_buttons = {
                split: self._split_button(split, f"{title} {size:,}")
                for split, title, size in (
                    ("train", "Train", info.train_size),
                    ("test", "Test", info.test_size),
                )
            }
        options = [("-1", "All classes"), *((str(i), name) for i, name in enumerate(info.classes))]
        if info.classes == tuple("0123456789"):
            options = [("-1", "All classes"), *((str(i), f"Only {i}") for i in range(10))]
        with box("row-x browsing"):
            Field(_CLASS, "-1", self._choose_class, options=options, label="Show", inline=True).classes(
                "grow"
            )
            with box("row-x turning"):
                button(
                    icon="o_chevron_left",
                    label="Examples before",
                    kind="quiet",
                    on_click=lambda: self._turn(-1),
                )
                self._where = text("", "small muted num")
                self._where.props["aria-live"] = "polite"
                button(
                    icon="o_chevron_right",
                    label="More examples",
                    kind="quiet",
                    on_click=lambda: self._turn(1),
                )
        with box("examples"):
            self._names = box("names")
            self._picture = ui.element("img").classes("pixels")
        self._figures = box("figures-of-data")
        with self._figures:
            self._facts(info)
        if info.own and "own-images" not in self._state.hidden:
            button("Remove these images …", icon="o_delete", kind="quiet", on_click=self._remove)
        self._show_examples()
        ui.timer(0.05, self._measure, once=True)

    def _split_button(self, split: str, title: str) -> ui.element:
        made = ui.element("button").props("type=button")
        with made:
            text(title, tag="span")
        made.on("click", lambda: self._choose_split(split))
        return made

    def _choose_split(self, split: str) -> None:
        self._split, self._page = split, 0
        self._show_examples()

    def _choose_class(self, value: str) -> None:
        self._label, self._page = (None if int(value) < 0 else int(value)), 0
        self._show_examples()

    def _turn(self, step: int) -> None:
        self._page = (self._page + step) % self._pages
        self._show_examples()

    def _show_examples(self) -> None:
        info = self._info
        assert info is not None
        size = info.train_size if self._split == "train" else info.test_size
        counts = self._counts.get(self._split) or [size // len(info.classes)] * len(info.classes)
        self._pages = pictures.example_pages(len(info.classes), counts, self._label)
        for split, made in self._split_buttons.items():
            made.props["aria-pressed"] = "true" if split == self._split else "false"
        label = -1 if self._label is None else self._label
        self._picture.props["src"] = (
            f"/pictures/{info.name}/examples.png?split={self._split}&label={label}&page={self._page}&v={info.bytes}"
        )
        what = "by class" if self._label is None else f"of class {info.classes[self._label]}"
        self._picture.props["alt"] = f"{self._split}ing examples of {info.title} {what}".replace(
            "testing", "test"
        )
        self._names.clear()
        self._names.set_visibility(self._label is None)
        if self._label is None:
            with self._names:
                for index in pictures.shown_classes(len(info.classes), self._page):
                    name = text(info.classes[index], "small")
                    name.props["title"] = info.classes[index]
        self._where.set_text(f"{self._page + 1:,} / {self._pages:,}")
        self._where.props["aria-label"] = f"Page {self._page + 1:,} of {self._pages:,}"

    def _facts(self, info: DatasetInfo) -> None:
        with box("facts", "dl"):
            self._fact("Examples", f"{info.train_size + info.test_size:,}")
            self._fact("Input shape", shape_text(info.input_shape), "Height · width · channels of one image.")
            self._fact("Label shape", str(len(info.classes)), "One value per class.")
            self._pixel_range = self._fact(
                "Pixel range", "", "After normalisation: what the network is given."
            )
            self._class_sizes = self._fact("Class sizes", "…", "Training images per class.")
        with box("moments"):
            for kind, title, tip in (
                ("mean", "Mean", "The mean of each pixel over the training images."),
                (
                    "std",
                    "Deviation",
                    "The standard deviation of each pixel, twice as bright; white is 128 of 255.",
                ),
            ):
                with ui.element("figure") as figure:
                    figure.props["data-tip"] = tip
                    picture = ui.element("img").classes("pixels")
                    picture.props.update(
                        {
                            "src": f"/pictures/{info.name}/{kind}.png?v={info.bytes}",
                            "alt": f"{title} image of {info.title}",
                            "loading": "lazy",
                        }
                    )
                    text(title, "small muted", tag="figcaption")
        self._range()

    def _fact(self, name: str, value: str, tip: str = "") -> ui.label:
        key = text(name, tag="dt")
        if tip:
            key.props["data-tip"] = tip
        return text(value, "num", tag="dd")

    def _range(self) -> None:
        if self._info is not None and self._info.present:
            self._pixel_range.set_text(_PLAIN_NORMALIZATIONS[self._state.settings.normalization])

    async def _measure(self) -> None:
        info = self._info
        if info is None or not info.present:
            return
        try:
            found = await run.io_bound(pictures.figures, info.name)
        except ConvolabError as error:
            with self._figures:
                text(str(error), "note bad")
            return
        if found is None or info is not self._info:
            return
        self._counts = {"train": found.train_counts.tolist(), "test": found.test_counts.tolist()}
        low, high = min(self._counts["train"]), max(self._counts["train"])
        self._class_sizes.set_text(f"{low:,}" if low == high else f"{low:,} to {high:,}")
        lines = [
            f"{name}: {count:,}" for name, count in zip(info.classes, self._counts["train"], strict=True)
        ]
        self._class_sizes.props["data-tip"] = "\n".join(lines[:40]) + ("\n…" if len(lines) > 40 else "")
        self._show_examples()

    # Your own images.

    def _own(self) -> None:
        own_images_dialog(lambda name: self._state.change(dataset=name))

    async def _remove(self) -> None:
        info = self._info
        if info is None:
            return
        with ui.dialog() as dialog, ui.card().classes("dialog"):
            text(f"Remove {info.title}?", tag="h2")
            text("The images are gone from the lab for good; your own files and the runs stay.")
            with box("row-x"):
                button("Remove", kind="danger", on_click=lambda: dialog.submit(True))
                button("Keep", on_click=dialog.close)
        if await dialog:
            await run.io_bound(remove, info.name)
            self._state.change(dataset=DEFAULT_DATASET)
            self._state.announce("catalogue")
