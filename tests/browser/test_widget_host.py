"""The host of the lab's widgets: what the lab says late does not undo what the page shows already."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import convolab.widgets.widget

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

HOST = Path(convolab.widgets.widget.__file__).with_name("widget.js")
_MOUNTED = """async (host) => {
    const address = (code) => URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    const { default: component } = await import(address(host));
    window.seen = [];
    const module = "export default { render: ({ model }) => { window.model = model;"
        + " model.on('change:shown', (value) => window.seen.push(value)); } }";
    window.emitted = [];
    window.host = { src: address(module), values: { shown: "at first" },
        $emit: (name, content) => window.emitted.push([name, content]), ...component.methods };
    component.mounted.call(window.host);
    await window.host.ready;
}"""


def test_older_values_wait_until_the_lab_has_heard_the_last_message(visitor: BrowserContext) -> None:
    page = visitor.new_page()
    page.evaluate(_MOUNTED, HOST.read_text())
    seen = "async (step) => { step(); await new Promise((done) => setTimeout(done)); return window.seen; }"

    def after(step: str) -> object:
        return page.evaluate(f"() => ({seen})(() => {{ {step} }})")

    assert after("host.setValues({ shown: 'the lab alone' }, 0)") == ["the lab alone"]
    # Two steps taken quickly: the answer to the first arrives after the second was taken.
    assert after("model.send('one'); model.send('two')") == ["the lab alone"]
    assert page.evaluate("emitted") == [
        ["message", {"number": 1, "content": "one"}],
        ["message", {"number": 2, "content": "two"}],
    ]
    assert after("host.setValues({ shown: 'after one' }, 1); host.setHeard(1)") == ["the lab alone"]
    assert after("host.setValues({ shown: 'after two' }, 2)") == ["the lab alone", "after two"]
    # The last message changed nothing: what was held back is what holds.
    page.evaluate("() => { window.seen.length = 0; model.send('three'); model.send('four'); }")
    assert after("host.setValues({ shown: 'after three' }, 3)") == []
    assert page.evaluate("model.get('shown')") == "after two"
    assert after("host.setHeard(4)") == ["after three"]
    # A message that got lost holds nothing back for good.
    page.evaluate("() => { window.seen.length = 0; model.send('lost'); }")
    assert after("host.setValues({ shown: 'still' }, 4)") == []
    page.wait_for_function("window.seen.includes('still')")
