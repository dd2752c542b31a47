"""The room Page: what was pinned, the words between, and the page that is handed in."""
