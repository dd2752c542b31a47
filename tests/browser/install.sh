#!/bin/sh
# Finds or installs a Chromium for the page tests; without one they skip, saying so.
for name in chromium chromium-browser google-chrome google-chrome-stable; do
  command -v "$name" >/dev/null 2>&1 && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "Installing Chromium for the page tests …"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; } >/dev/null 2>&1 && exit 0
fi
"$1/python" -m playwright install chromium >/dev/null 2>&1 && exit 0
echo "No Chromium could be found or installed: the page tests will be skipped." >&2
exit 0
