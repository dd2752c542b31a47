"""The room Transfer: pictures, W and layers; the painting as it grows; losses and Gram matrices."""

# No "from __future__ import annotations" here: NiceGUI finds PageArguments by its annotation as an object.
import json
from typing import Any

from nicegui import PageArguments, app, ui

from convolab.app.build.fields import Field
from convolab.app.theme import box, button, text
from convolab.app.transfer import library, networks
from convolab.app.transfer.presets import PRESETS, chosen
from convolab.app.transfer.room import Room
from convolab.app.transfer.settings import SettingsForm
from convolab.app.transfer.starting import GRIDS
from convolab.app.transfer.state import Wanted, from_query, to_query, typed_weights
from convolab.spec import Knob
from convolab.style.job_folder import TransferFolder
from convolab.widgets.widget import Widget

COLUMNS = {"choose": "Choose", "picture": "Picture", "losses": "Losses"}
_NETWORK = Knob(
    "network",
    "choice",
    "vgg-16",
    "Feature network",
    "Whose activations are content and style: VGG, or a network trained in the lab.",
)
_KEPT = "transfer"


def transfer_room(arguments: PageArguments) -> None:
    """Draw the room in the current slot, as its address says."""
    ui.page_title("Transfer · convolab")
    query = dict(arguments.query_parameters)
    kept = app.storage.client.get(_KEPT)
    if isinstance(kept, Wanted) and not query:
        _Page(kept, [])
    else:
        _Page(*from_query(query, lambda run_id: TransferFolder(run_id).spec()))


class _Page:
    """The elements of one tab; what is done in them goes to its `Room`."""

    def __init__(self, wanted: Wanted, problems: list[str]) -> None:
        self.room = Room(wanted, self._show)
        self._written = ""
        with box("room-page transfer-page").props("data-room=transfer"):
            self._bar(wanted)
            _problems(problems)
            _tabs()
            with box("columns transfer-columns"):
                with _column("choose"):
                    self._choose(wanted)
                with _column("picture"):
                    self._picture(wanted)
                with _column("losses"):
                    Widget("transfer_curves")
                    Widget("transfer_grams")
        self._show(wanted)
        # Not at once: the step from another room into this one is written into the browser's history first.
        ui.timer(0.2, self._write_address, once=True)

    # ---------------------------------------------------------------- parts

    def _bar(self, wanted: Wanted) -> None:
        with box("room-bar", "header"):
            text("Transfer", tag="h1")
            with box("choices"):
                self.network = Field(
                    _NETWORK,
                    wanted.settings.network,
                    self.room.take_network,
                    options=_networks(wanted.settings.network),
                    inline=True,
                )
                with box("segments") as views:
                    views.props.update({"role": "group", "aria-label": "View"})
                    self.views = {}
                    for name, title in (("picture", "One picture"), ("grid", "Grid")):
                        with ui.element("button") as made:
                            made.props["type"] = "button"
                            text(title, tag="span")
                        made.on("click", lambda name=name: self.room.take_view(name))
                        self.views[name] = made
            with box("row-x actions"):
                copy = button(
                    "Copy link", icon="o_link", kind="line", tip="Copy an address that shows this"
                ).classes("copy-link")
                copy.on_click(lambda: ui.run_javascript(f"labCopyLink({json.dumps(self._address())})"))

    def _choose(self, wanted: Wanted) -> None:
        self.pictures = Widget(
            "transfer_pictures", on_message=self.room.heard_pictures, **_picture_values(wanted)
        )
        self.weight = Widget(
            "transfer_weight",
            on_message=self.room.heard_weight,
            weight=wanted.settings.weight,
            preset=chosen(wanted.settings),
            presets=[(item.name, item.title, item.help) for item in PRESETS],
        )
        self.layers = Widget("transfer_layers", on_message=self.room.heard_layers, **_layer_values(self.room))
        self.room.layers_widget = self.layers
        self.form = SettingsForm(wanted, self.room.take_setting)

    def _picture(self, wanted: Wanted) -> None:
        self.stage = Widget(
            "transfer_stage",
            on_message=self.room.heard_stage,
            job=wanted.job,
            photo=_known([wanted.photo])[0],
            styles=_known(wanted.styles),
            hint="",
            differs=False,
        ).classes("cl-panel ct-stage-panel")  # not by the widget: what hides it would take them away
        self.room.stage = self.stage
        self.grid = Widget(
            "transfer_grid", on_message=self.room.heard_grid, grid=wanted.grid, kinds=list(GRIDS.items())
        ).classes("cl-panel ct-grid")
        self.room.grid = self.grid

    # ---------------------------------------------------------------- following

    def _show(self, wanted: Wanted) -> None:
        """Put all parts into the state of the room; only what changes is sent."""
        settings = wanted.settings
        self.pictures.set(**_picture_values(wanted))
        self.weight.set(weight=settings.weight, preset=chosen(settings))
        self.layers.set(**_layer_values(self.room))
        self.form.show(wanted)
        self.network.offer(_networks(settings.network))
        self.network.show(settings.network)
        self.stage.set(
            job=wanted.job,
            photo=_known([wanted.photo])[0],
            styles=_known(wanted.styles),
            hint=_hint(wanted),
            differs=self.room.differs(),
        )
        self.grid.set(grid=wanted.grid)
        for name, made in self.views.items():
            made.props["aria-pressed"] = "true" if wanted.view == name else "false"
        self.stage.set_visibility(wanted.view == "picture")
        self.grid.set_visibility(wanted.view == "grid")
        app.storage.client[_KEPT] = wanted
        self._write_address()

    def _address(self) -> str:
        return f"/transfer?{to_query(self.room.wanted)}"

    def _write_address(self) -> None:
        address = self._address()
        if address != self._written:
            self._written = address
            ui.run_javascript(f"labAddress({json.dumps(address)})")


def _column(name: str) -> Any:
    column = box("shown" if name == "picture" else "", "section")
    column.props.update({"data-column": name, "aria-label": COLUMNS[name]})
    return column


def _tabs() -> None:
    with box("column-tabs"), box("segments") as tabs:
        tabs.props.update({"role": "tablist", "aria-label": "Columns"})
        for name, title in COLUMNS.items():
            with ui.element("button") as tab:
                tab.props.update({"type": "button", "role": "tab", "data-column": name})
                tab.props["aria-selected"] = "true" if name == "picture" else "false"
                text(title, tag="span")
            tab.on("click", js_handler=f"() => labColumn('{name}')")


def _problems(problems: list[str]) -> None:
    if not problems:
        return
    with box("note bad link-problems") as note:
        note.props["role"] = "alert"
        text(" ".join(problems), "grow")
        button(icon="o_close", label="Dismiss", kind="quiet", on_click=note.delete)


def _networks(current: str) -> list[tuple[str, str]]:
    found = networks.choices()
    return found if current in dict(found) else [*found, (current, networks.title(current))]


def _known(keys: Any) -> list[dict[str, Any]]:
    """What the page needs to know of pictures."""
    found = []
    for key in keys:
        about = library.entry(key)
        found.append({"key": key, "title": about.title, "width": about.width, "height": about.height})
    return found


def _picture_values(wanted: Wanted) -> dict[str, Any]:
    blend = [float(part) for part in wanted.settings.blend.split(",") if part]
    return {
        "photo": _known([wanted.photo])[0],
        "styles": _known(wanted.styles),
        "masks": list(wanted.masks),
        "blend": blend if len(blend) == len(wanted.styles) else [],
        "examples": library.examples(),
        "recent": library.recent(),
    }


def _layer_values(room: Room) -> dict[str, Any]:
    settings = room.wanted.settings
    about = library.entry(room.wanted.photo)
    sides = (about.width, about.height)
    return {
        "title": networks.title(settings.network),
        "layers": [vars(layer) for layer in room.layers()],
        "content": list(settings.content_names),
        "style": list(settings.style_names),
        "weights": typed_weights(settings),
        "size": [max(1, round(side * settings.size / max(about.width, about.height))) for side in sides],
    }


def _hint(wanted: Wanted) -> str:
    if not networks.is_here(wanted.settings.network):
        title, size = networks.title(wanted.settings.network), networks.megabytes(wanted.settings.network)
        return f"Press Paint. {title} ({size:.0f} MB) is fetched first, once; then the picture grows here."
    return "Press Paint: the picture grows here, step by step, and can be steered on the way."
