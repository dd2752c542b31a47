"""The room Fast style as a person uses it: photo, camera, mixing, filters, learning, video, bad input."""

from __future__ import annotations

import io
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from visiting import CHROMIUM, DESKTOP, PHONE, Lab, open_room, screenshot

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Locator, Page

pytestmark = pytest.mark.browser

PATIENCE = 60_000
"""Milliseconds; generous, for machines that are busy with other things."""
HERE = Path(__file__).resolve().parent
SMALL = "photo=lab-lake&size=128&style=starry-night-small"


@pytest.fixture(scope="module", autouse=True)
def second_style(lab: Lab) -> None:
    """A style of its own beside those that come with the lab: tiny, with random weights."""
    sys.path.append(str(HERE.parent / "style"))
    from fast_kit import put

    put(lab.home / "styles", "grain", 1, title="Grain")


@pytest.fixture
def room(lab: Lab, visitor: BrowserContext) -> Iterator[Page]:
    """A tab; complains about exceptions of the lab."""
    before = len(lab.errors())
    page = visitor.new_page()
    page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]
    page.set_default_timeout(PATIENCE)
    yield page
    assert lab.errors()[before:] == []


def view(page: Page, name: str) -> Locator:
    """One part of the room."""
    return page.locator(f"[data-view={name}] .cs")


def painted(page: Page) -> None:
    """Wait until the stage shows what was asked for last."""
    page.locator("[data-view=picture] .cs[data-state=painted]").wait_for()


def pixels(page: Page, selector: str) -> np.ndarray:
    """What an image or a canvas shows, as float (32, 32, 3)."""
    values = page.evaluate(
        """selector => {
            const canvas = document.createElement('canvas');
            canvas.width = canvas.height = 32;
            const context = canvas.getContext('2d');
            context.drawImage(document.querySelector(selector), 0, 0, 32, 32);
            return [...context.getImageData(0, 0, 32, 32).data];
        }""",
        selector,
    )
    return np.array(values, float).reshape(32, 32, 4)[..., :3]


BEFORE, AFTER = ".cs-before img", ".cs-after img"


def png(width: int = 80, height: int = 60) -> bytes:
    buffer = io.BytesIO()
    small = np.random.default_rng(0).integers(0, 255, (5, 6, 3)).astype(np.uint8)
    Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).save(buffer, "PNG")
    return buffer.getvalue()


def script(name: str) -> str:
    return (HERE / f"{name}.js").read_text()


def file(name: str, content: bytes) -> Any:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


def test_a_photo_in_a_style_compared_mixed_changed_and_saved(room: Page, lab: Lab, tmp_path: Path) -> None:
    open_room(room, lab, f"/fast?{SMALL}")
    painted(room)
    assert np.abs(pixels(room, AFTER) - pixels(room, BEFORE)).mean() > 10
    assert room.evaluate(script("nameless")) == []
    assert room.evaluate(script("contrast")) == []
    rail = room.locator(".rail a.room").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert rail.index("/fast") == rail.index("/transfer") + 1

    # The divider, by keys and by dragging.
    handle = room.get_by_role("slider", name=re.compile("^Divider"))
    handle.focus()
    room.keyboard.press("Home")
    assert handle.get_attribute("aria-valuenow") == "0"
    room.keyboard.press("Shift+ArrowRight")
    assert handle.get_attribute("aria-valuenow") == "10"
    box = room.locator(".cs-frame").bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    room.mouse.move(box["x"] + 0.1 * box["width"], middle)
    room.mouse.down()
    room.mouse.move(box["x"] + 0.75 * box["width"], middle, steps=4)
    room.mouse.up()
    assert handle.get_attribute("aria-valuenow") == "75"

    # Strength 0 is the photo.
    full = pixels(room, AFTER)
    strength = room.get_by_role("slider", name="Strength")
    strength.focus()
    room.keyboard.press("Home")
    room.wait_for_function("() => location.search.includes('strength=0')")
    room.wait_for_function("() => document.querySelector('.cs-figures').textContent.includes('128×128')")
    room.wait_for_timeout(200)
    painted(room)
    assert np.abs(pixels(room, AFTER) - pixels(room, BEFORE)).mean() < 4
    room.keyboard.press("End")
    room.wait_for_function("() => !location.search.includes('strength')")
    painted(room)
    assert np.abs(pixels(room, AFTER) - full).mean() < 1

    # Two styles mixed: between the two, by their shares.
    room.get_by_role("button", name="Mix in Grain").click(force=True)
    sliders = room.get_by_role("region", name="Chosen styles").get_by_role("slider")
    assert sliders.count() == 2
    sliders.last.focus()
    room.keyboard.press("End")
    room.wait_for_function("() => location.search.includes('style=starry-night-small:0.5,grain:1')")
    painted(room)
    mixed = pixels(room, AFTER)
    screenshot(room, "fast-mix")
    room.get_by_role("button", name="Remove The Starry Night from the mix").click()
    room.wait_for_function("() => /style=grain(&|$)/.test(location.search)")
    painted(room)
    grain = pixels(room, AFTER)
    assert np.abs(mixed - (full + 2 * grain) / 3).mean() < 2
    room.get_by_role("button", name=re.compile("^Paint in the style: The Starry Night")).click()
    room.wait_for_function("() => !location.search.includes('grain')")
    room.get_by_role("radio", name="Small", exact=True).first.click()
    room.wait_for_function("() => location.search.includes('style=starry-night-small')")
    painted(room)
    assert np.abs(pixels(room, AFTER) - full).mean() < 1

    # The download is the painting itself, and all of it survives a reload.
    with room.expect_download() as expected:
        room.get_by_role("button", name="Download").click()
    saved = tmp_path / expected.value.suggested_filename
    expected.value.save_as(saved)
    with Image.open(saved) as opened:
        assert (opened.format, opened.size) == ("PNG", (128, 128))
    room.get_by_role("radio", name="Zeros").first.click()
    room.get_by_label("Keep the photo's colours").first.check()
    room.wait_for_function("() => /padding=zeros/.test(location.search) && /keep=yes/.test(location.search)")
    painted(room)
    kept = pixels(room, AFTER)
    room.reload()
    painted(room)
    assert np.abs(pixels(room, AFTER) - kept).mean() < 1
    assert room.get_by_label("Keep the photo's colours").first.is_checked()
    screenshot(room, "fast-picture")
    room.set_viewport_size(PHONE)  # type: ignore[arg-type]
    screenshot(room, "fast-picture-phone", full_page=True)
    assert room.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_photos_from_outside_good_and_bad(room: Page, lab: Lab) -> None:
    from test_transfer import huge

    open_room(room, lab, f"/fast?{SMALL}")
    painted(room)
    picture = view(room, "picture")
    chooser = picture.get_by_label("Photo from a file")
    chooser.set_input_files(file("garden.png", png()))
    room.wait_for_function("() => /photo=[0-9a-f]{20}/.test(location.search)")
    room.wait_for_function("() => document.querySelector('.cs-figures').textContent.includes('128×96')")
    for name, content, said in (
        ("notes.txt", b"no picture", "“notes.txt” cannot be used: it is not a picture"),
        ("dot.png", png(1, 1), "“dot.png” has 1×1 pixels; at least 16 a side are needed."),
        ("huge.png", huge(), "“huge.png” cannot be used: it has more than 100 million pixels."),
    ):
        chooser.set_input_files(file(name, content))
        picture.locator(".note.bad", has_text=said).wait_for()
    assert "128×96" in picture.locator(".cs-figures").inner_text()  # what was there stays
    screenshot(room, "fast-bad-input")
    # A picture that is dropped anywhere in the room is a photo.
    room.evaluate(
        """async bytes => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], 'dropped.png', { type: 'image/png' }));
            const place = document.querySelector('.cs-stage');
            for (const kind of ['dragover', 'drop'])
                place.dispatchEvent(
                    new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
        }""",
        list(png(48, 96)),
    )
    room.wait_for_function("() => document.querySelector('.cs-figures').textContent.includes('64×128')")
    open_room(room, lab, "/fast?style=starry-nigth&photo=gone&colour=red")
    said = room.locator(".link-problems").inner_text()
    for part in ('Did you mean "starry-night"', "no longer in the lab", "colour"):
        assert part in said


# ---------------------------------------------------------------- the camera


@pytest.fixture(scope="module")
def camera_browser(browser: Browser) -> Iterator[Browser]:
    """A Chromium with a camera that films a test picture; pages have to be allowed to use it."""
    installed = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    flags = [*CHROMIUM, "--use-fake-device-for-media-stream"]
    made = browser.browser_type.launch(executable_path=installed, args=flags)
    yield made
    made.close()


def test_live_camera_snapshot_and_refusal(camera_browser: Browser, lab: Lab) -> None:
    before = len(lab.errors())
    context = camera_browser.new_context(viewport=DESKTOP)  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE)
    refused = context.new_page()
    open_room(refused, lab, f"/fast?{SMALL}")
    refused.get_by_role("button", name="Camera", exact=True).click()
    refused.locator(".note.bad", has_text="The browser may not use the camera").wait_for()
    painted(refused)  # the photo is still there
    refused.close()

    context.grant_permissions(["camera"])
    page = context.new_page()
    open_room(page, lab, "/fast?photo=lab-lake&size=128&style=starry-night")
    page.get_by_role("button", name="Camera", exact=True).click()
    page.wait_for_function("() => window.convolabCamera?.frames > 8")
    page.locator(
        ".cs-figures", has_text=re.compile(r"\d+ frames/s · \d+ ms from camera to painting")
    ).wait_for()
    assert page.evaluate("() => convolabCamera.sizes") == [320, 240]
    assert page.get_by_role("radio", name="Small", exact=True).first.get_attribute("aria-checked") == "true"
    camera, painting = ".cs-before canvas", ".cs-after canvas"
    assert np.abs(pixels(page, camera) - pixels(page, painting)).mean() > 10
    mirrored = pixels(page, camera)
    page.get_by_label("Mirror the camera").uncheck()
    seen = page.evaluate("() => convolabCamera.frames")
    page.wait_for_function(f"() => window.convolabCamera.frames > {seen} + 3")
    plain = pixels(page, camera)
    # The test picture stands still but for a clock and a pie that turns.
    assert np.abs(plain[:, ::-1] - mirrored).mean() < np.abs(plain - mirrored).mean()
    screenshot(page, "fast-camera")
    # Other settings take effect while it runs: strength 0 gives the camera itself.
    page.get_by_role("slider", name="Strength").focus()
    page.keyboard.press("Home")
    page.wait_for_function(
        """() => {
            const both = [...document.querySelectorAll('.cs-both canvas')].map((canvas) =>
                canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data);
            let apart = 0;
            for (let i = 0; i < both[0].length; i += 97) apart += Math.abs(both[0][i] - both[1][i]);
            return apart / (both[0].length / 97) < 3;
        }"""
    )
    page.get_by_role("button", name="Snapshot").click()
    page.wait_for_function("() => /photo=[0-9a-f]{20}/.test(location.search)")
    painted(page)
    assert page.get_by_role("button", name="Camera", exact=True).is_visible()
    context.close()
    assert lab.errors()[before:] == []


# ---------------------------------------------------------------- the filter laboratory


def test_the_three_questions_about_filters(room: Page, lab: Lab) -> None:
    open_room(room, lab, f"/fast?view=filters&{SMALL}&times=3")
    lab_view = view(room, "filters")
    room.locator("[data-view=filters] .cs[data-state=finished]").wait_for()
    titles = lab_view.locator(".cs-block").first.locator("figcaption b")
    assert titles.all_inner_texts() == ["The photo", "1 ×", "2 ×", "3 ×"]
    answer = lab_view.locator(".cs-answer").inner_text()
    assert "of 255" in answer
    for padding in ("reflect", "replicate", "zeros"):
        assert (
            padding in answer or lab_view.get_by_text(f"the same with padding {padding}", exact=False).count()
        )
    assert lab_view.get_by_role("img", name=re.compile("^the border.*zeros: 0: ")).is_visible()
    # Each of three pictures with each padding, with what its filter changed.
    assert lab_view.locator("img.cs-difference").count() == 9
    assert room.evaluate(script("nameless")) == []
    assert room.evaluate(script("contrast")) == []
    screenshot(room, "fast-filters-repeat", full_page=True)

    # Pinned, the strip is on the page with its pictures.
    lab_view.get_by_label(re.compile("^Save The Starry Night, again")).click()
    room.get_by_role("menuitem", name="Pin to the page").click()
    room.locator(".cl-pinned", has_text="Pinned to the page").wait_for()

    # Two filters in either order.
    lab_view.get_by_role("radio", name="In which order").click()
    chosen = lab_view.get_by_role("list", name="The two filters")
    assert chosen.get_by_role("button").count() == 2
    chosen.get_by_role("button", name=re.compile("^B: ")).click()
    lab_view.get_by_role("button", name="Use the filter: Grain").click()
    chosen.get_by_role("button", name=re.compile("^B: Grain")).wait_for()
    assert _filtered(lab_view) == ""
    assert lab_view.locator("figcaption b").all_inner_texts() == [
        "The photo",
        "A then B",
        "B then A",
        "A alone",
        "B alone",
    ]
    assert lab_view.locator(".cs-block", has_text="Distances").locator("tbody tr").count() == 4
    assert "A then B differs from B alone by" in lab_view.locator(".cs-answer").inner_text()
    screenshot(room, "fast-filters-order", full_page=True)

    # A chain: built by dragging, ordered by keys.
    lab_view.get_by_role("radio", name="Any chain").click()
    chain = lab_view.get_by_role("list", name="The chain of filters")
    while chain.get_by_role("button", name=re.compile("^Filter ")).count() > 1:
        chain.get_by_role("button", name=re.compile("^Remove: ")).last.click()
    lab_view.get_by_role("button", name="Use the filter: Grain").drag_to(chain)
    chain.get_by_role("button", name="Filter 2: Grain", exact=False).wait_for()
    chain.get_by_role("button", name=re.compile("^Once more: filter 1")).click()
    first = room.evaluate("() => new URLSearchParams(location.search).get('chain')").split(",")[0]
    room.wait_for_function(
        f"() => new URLSearchParams(location.search).get('chain') === '{first},{first},grain'"
    )
    chain.get_by_role("button", name=re.compile("^Filter 3: ")).focus()
    room.keyboard.press("Alt+ArrowLeft")
    room.keyboard.press("Alt+ArrowLeft")
    moved = chain.get_by_role("button", name=re.compile("^Filter 1: Grain"))
    assert moved.evaluate("node => node === document.activeElement")
    room.wait_for_function(
        f"() => new URLSearchParams(location.search).get('chain') === 'grain,{first},{first}'"
    )
    assert _filtered(lab_view) == ""
    assert lab_view.locator("[data-cell]").count() == 4
    screenshot(room, "fast-filters-chain", full_page=True)
    moved.focus()
    room.keyboard.press("Delete")
    assert chain.get_by_role("button", name=re.compile("^Filter ")).count() == 2


def _filtered(lab_view: Locator) -> str:
    """Press Filter and wait; what was complained of."""
    lab_view.locator(".ct-main").click()
    page = lab_view.page
    page.wait_for_function(
        """() => document.querySelector('[data-view=filters] .cs[data-state=finished][data-differs=false]')
            || !document.querySelector('.cs-lab > .note.bad').hidden"""
    )
    return lab_view.locator(".cs-lab > .note.bad").inner_text()


# ---------------------------------------------------------------- learning


def test_learn_a_style_rename_export_import(room: Page, lab: Lab, tmp_path: Path) -> None:
    from convolab.errors import DataError
    from convolab.style.weights import fetch_weights

    try:
        fetch_weights("vgg-16")
    except DataError as error:
        pytest.skip(str(error))
    open_room(room, lab, f"/fast?view=learn&{SMALL}")
    learn = view(room, "learn")
    begin = learn.get_by_role("button", name="Learn", exact=True)
    begin.click()
    learn.locator(".note.bad", has_text="Choose a painting first").wait_for()
    learn.get_by_role("button", name="Painting: Waves").click()
    learn.get_by_label("Name", exact=True).fill("High tide")
    learn.get_by_role("radio", name="Small").click()
    learn.get_by_role("slider", name="Time").focus()
    room.keyboard.press("Home")
    learn.get_by_label("Photos to learn from").fill("/no/such/folder")
    begin.click()
    learn.locator(".note.bad", has_text="There is no folder /no/such/folder").wait_for()
    assert room.evaluate(script("nameless")) == []
    assert room.evaluate(script("contrast")) == []
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(6):
        Image.open(io.BytesIO(png(280 + number, 270))).save(photos / f"{number}.png")
    learn.get_by_label("Photos to learn from").fill(str(photos))
    learn.get_by_text("More settings").click()
    learn.get_by_label("relu3_3 for content").click()  # the only one: it stays
    learn.get_by_text("At least one layer must stand for content").wait_for()
    learn.get_by_label("relu2_2 for content").check()
    learn.get_by_label("relu3_3 for content").uncheck()
    learn.get_by_label("relu4_3 for style").uncheck()
    learn.get_by_role("slider", name="Stroke size").focus()
    room.keyboard.press("ArrowRight")
    learn.get_by_role("radio", name="New", exact=True).click()
    assert room.evaluate(script("nameless")) == []
    screenshot(room, "fast-learn-more")
    begin.click()
    room.wait_for_function("() => /job=style-/.test(location.search)")
    learn.locator(".cs-preview[alt^='The same photos'][src]").wait_for()
    learn.locator(".cs-curves canvas").wait_for()
    chosen = "content relu2_2 · style relu1_2, relu2_2, relu3_3 · strokes × 1.25"
    learn.get_by_text(f"Small network · W 0.8 · {chosen}").wait_for()
    said = f"Learns from 5 photos: {photos}. More photos make it better."
    assert learn.locator(".cs-photos-from").inner_text() == said
    assert learn.get_by_text("Photos it does not learn from, and how it paints them").is_visible()
    screenshot(room, "fast-learn-working")
    room.reload()
    learn.get_by_role("button", name="Pause", exact=True).click()
    learn.locator(".cl-sentence", has_text="Paused after").wait_for()
    learn.get_by_role("button", name="Resume", exact=True).click()
    learn.get_by_role("button", name="Pause", exact=True).wait_for()
    learn.get_by_role("button", name="Stop and keep").click()
    learn.locator(".cl-sentence", has_text="It is among your styles now").wait_for()

    # The new style paints, gets another name, goes out as a file and comes in again.
    own = learn.get_by_role("region", name="Your styles")
    name = own.get_by_label("Name of High tide")
    name.fill("Low tide")
    name.press("Enter")
    own.get_by_label("Name of Low tide").wait_for()
    with room.expect_download() as expected:
        own.get_by_role("button", name=re.compile("^Save it as one file.*Low tide")).click()
    saved = tmp_path / expected.value.suggested_filename
    expected.value.save_as(saved)
    assert saved.name == "low-tide.safetensors"
    own.get_by_role("button", name="Remove it: Low tide").click()
    own.get_by_role("button", name="Remove", exact=True).click()
    own.get_by_text("Low tide was removed.").wait_for()
    chooser = own.get_by_label("Style file")
    for bad, content in (("holiday.safetensors", png()), ("half.safetensors", saved.read_bytes()[:5000])):
        chooser.set_input_files(file(bad, content))
        own.locator(".note.bad", has_text=f"{bad} cannot be read: it is no safetensors file").wait_for()
    chooser.set_input_files(file("from-elsewhere.safetensors", saved.read_bytes()))
    own.get_by_text("Low tide is among the styles now.").wait_for()
    screenshot(room, "fast-learn-finished")
    own.get_by_role("button", name="Paint with it: Low tide").click()
    painted(room)
    room.wait_for_function("() => location.search.includes('style=from-elsewhere')")
    assert room.locator(".cs-caption").first.inner_text() == "Low tide"


# ---------------------------------------------------------------- video


def film(path: Path, sound_only: bool = False) -> Path:
    import av

    with av.open(str(path), "w") as out:
        kind = "aac" if sound_only else "mpeg4"
        stream: Any = out.add_stream(kind, rate=8000 if sound_only else 10)
        frames: list[Any] = []
        if sound_only:
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
            sound.sample_rate = 8000
            frames = [sound]
        else:
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            with Image.open(io.BytesIO(png(96, 64))) as opened:
                pictures = [np.roll(np.asarray(opened.convert("RGB")), n, 1) for n in range(25)]
            frames = [av.VideoFrame.from_ndarray(one, format="rgb24") for one in pictures]
        for frame in [*frames, None]:
            for packet in stream.encode(frame):
                out.mux(packet)
    return path


def test_a_video_is_looked_at_rendered_and_taken_along(room: Page, lab: Lab, tmp_path: Path) -> None:
    open_room(room, lab, f"/fast?view=video&{SMALL}")
    video = view(room, "video")
    chooser = video.get_by_label("Video from a file")
    for name, content, said in (
        ("notes.mp4", b"no video", "“notes.mp4” cannot be read: it is no video"),
        ("song.mp4", film(tmp_path / "song.mp4", True).read_bytes(), "“song.mp4” has no pictures in it"),
    ):
        chooser.set_input_files(file(name, content))
        video.locator(".note.bad", has_text=said).wait_for()
    chooser.set_input_files(film(tmp_path / "waves.mp4"))
    video.get_by_text("96×64 pixels · 25 frames · 10.0 frames/s", exact=False).wait_for()
    assert room.evaluate(script("nameless")) == []
    video.get_by_role("button", name="Preview one second").click()
    player = video.get_by_label("The painted video")
    player.wait_for()
    room.wait_for_function("() => document.querySelectorAll('.cs-film')[1].src.includes('/preview-')")
    video.get_by_role("button", name="Render").click()
    video.locator(".cl-sentence", has_text="Rendered: 25 frames.").wait_for()
    room.wait_for_function("() => document.querySelectorAll('.cs-film')[1].src.includes('/painted-')")
    screenshot(room, "fast-video")
    with room.expect_download() as expected:
        video.get_by_role("button", name="Download").click()
    saved = tmp_path / "painted.mp4"
    expected.value.save_as(saved)
    from convolab.style.fast.video_film import video_facts

    facts = video_facts(saved)
    assert (facts.width, facts.height, facts.frames, facts.rate) == (128, 84, 25, 10)
