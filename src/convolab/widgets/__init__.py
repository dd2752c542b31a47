"""The lab's own widgets: each is NAME.js, an ES module in anywidget's form, hosted by `widget.Widget`."""
