#!/usr/bin/env python3
"""Opens a page of `git model diff --html` in headless Chromium and checks what a person would see.

    tests/browser/check.py PAGE.html [FOLDER FOR SCREENSHOTS]

Needs `chromium` (Debian's package) and nothing else. For each of two widths, in light and in dark: no errors, no request
but the page itself, no sideways scrolling of the page, text that contrasts, and cells that the Tab key reaches and shows.
Chromium is spoken to over a pair of pipes (`--remote-debugging-pipe`): JSON messages, each ended by a zero byte.
"""

import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

WIDTHS = (1200, 400)
SCHEMES = ("light", "dark")
CONTRAST_MIN = 4.5

# Text against what is painted behind it: the nearest background that is not transparent.
CONTRASTS = r"""
(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (text) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => [[r, .2126], [g, .7152], [b, .0722]].reduce((sum, [value, weight]) => {
    value /= 255;
    return sum + weight * (value <= .04045 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4);
  }, 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const worst = {};
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest('defs, title')) continue;
    texts += 1;
    const style = getComputedStyle(element);
    const front = rgba(element instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [luminance(front), luminance(behind(element))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    const kind = element.tagName + '.' + (element.closest('[class]')?.getAttribute('class') ?? '');
    if (!(worst[kind]?.ratio <= ratio)) worst[kind] = { ratio, text: walker.currentNode.data.trim().slice(0, 30) };
  }
  return { texts, worst };
})()
"""

LAYOUT = r"""
({
  scrollWidth: document.documentElement.scrollWidth, bodyWidth: document.body.scrollWidth, width: innerWidth,
  isDark: matchMedia('(prefers-color-scheme: dark)').matches,
  background: getComputedStyle(document.body).backgroundColor,
  title: document.title, headings: [...document.querySelectorAll('h1, h2')].map((heading) => heading.textContent),
  links: document.querySelectorAll('.heat td a').length,
  dead: [...document.querySelectorAll('a[href^="#"]')].filter((a) => !document.getElementById(a.hash.slice(1))).length,
  headers: [...document.querySelectorAll('th')].filter((th) => !th.scope).length,
  doubles: ((ids) => ids.length - new Set(ids).size)([...document.querySelectorAll('[id]')].map((e) => e.id)),
  tiny: [...document.querySelectorAll('.heat td a')].filter((a) => a.getBoundingClientRect().height < 20).length,
})
"""

FOCUSED = r"""
(() => {
  const at = document.activeElement, box = at.getBoundingClientRect(), style = getComputedStyle(at);
  return { tag: at.tagName, hash: at.hash ?? '', inCell: !!at.closest('.heat td'), outline: style.outlineStyle,
    outlineWidth: parseFloat(style.outlineWidth),
    visible: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth };
})()
"""


# The row that a link has led to, if it is in sight.
TARGET = r"""
(() => {
  const row = document.querySelector('tr:target'), box = row?.getBoundingClientRect();
  return row && box.top >= 0 && box.bottom <= innerHeight ? row.textContent.slice(0, 60) : '';
})()
"""


class Browser:
    """A Chromium with one page."""

    def __init__(self, profile):
        chromium = shutil.which("chromium") or sys.exit("chromium is not installed: apt-get install chromium")
        to_read, self.to = os.pipe()
        self.source, from_write = os.pipe()

        def place():
            # Where Chromium looks for them. First out of the way of each other.
            a, b = os.dup(to_read), os.dup(from_write)
            os.dup2(a, 3)
            os.dup2(b, 4)

        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe",
                 f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen([chromium, *flags], preexec_fn=place, close_fds=False,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(from_write)
        self.buffer, self.count, self.session, self.events = b"", 0, None, []
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def message(self):
        while b"\0" not in self.buffer:
            piece = os.read(self.source, 1 << 16)
            if not piece:
                sys.exit("chromium went away")
            self.buffer += piece
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, **params):
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.message()
            if answer.get("id") == self.count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.message())

    def value(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"])
        return result["result"]["value"]

    def press(self, key, code):
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def shoot(self, path, full, width):
        params = {"format": "png"}
        if full:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            height = min(size["height"], 12_000)
            params |= {"captureBeyondViewport": True,
                       "clip": {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}}
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", **params)["data"]))

    def close(self):
        self.call("Browser.close")
        self.process.wait(20)


def check(browser, url, width, scheme, folder):
    """All findings for one width and one scheme; none if the page is right."""
    found = []
    browser.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.events.clear()
    began = time.monotonic()
    browser.call("Page.navigate", url=url)
    browser.wait("Page.loadEventFired")
    loaded = time.monotonic() - began
    layout = browser.value(LAYOUT)
    expect = lambda holds, what: None if holds else found.append(what)
    expect(layout["isDark"] == (scheme == "dark"), f"the scheme is not {scheme}")
    expect(max(layout["scrollWidth"], layout["bodyWidth"]) <= layout["width"], f"scrolls sideways: {layout}")
    expect(layout["title"] and len(layout["headings"]) > 1, "no title or no headings")
    for what in ("dead", "headers", "doubles", "tiny"):
        expect(layout[what] == 0, f"{layout[what]} {what}")
    contrasts = browser.value(CONTRASTS)
    expect(contrasts["texts"] > 20, "hardly any text")
    low = {kind: worst for kind, worst in contrasts["worst"].items() if worst["ratio"] < CONTRAST_MIN}
    expect(not low, f"low contrast: {low}")
    lowest = min(worst["ratio"] for worst in contrasts["worst"].values())
    browser.shoot(folder / f"{width}-{scheme}.png", True, width)

    # By keyboard: into the heat map, each cell seen with its outline, and from a cell to its row.
    reached = 0
    for _ in range(60):
        browser.press("Tab", 9)
        at = browser.value(FOCUSED)
        if at["inCell"]:
            reached += 1
            expect(at["outline"] == "solid" and at["outlineWidth"] >= 2, f"focus does not show: {at}")
            expect(at["visible"], f"focus is out of sight: {at}")
            if reached == 5:
                break
    expect(reached == min(5, layout["links"]), f"Tab reached {reached} of {layout['links']} cells")
    browser.shoot(folder / f"{width}-{scheme}-focus.png", False, width)
    if reached:
        browser.call("Input.dispatchKeyEvent", type="keyDown", key="Enter", code="Enter", text="\r",
                     windowsVirtualKeyCode=13)
        browser.call("Input.dispatchKeyEvent", type="keyUp", key="Enter", code="Enter", windowsVirtualKeyCode=13)
        row = browser.value(TARGET)
        expect(row, "Enter on a cell does not show its row")
        browser.shoot(folder / f"{width}-{scheme}-row.png", False, width)

    requests = [event["params"]["request"]["url"] for event in browser.events
                if event.get("method") == "Network.requestWillBeSent"]
    expect([r for r in requests if not r.startswith("data:")] in ([url], [url, url]), f"requests: {requests}")
    errors = [event["params"] for event in browser.events
              if event.get("method") in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")]
    expect(not errors, f"errors: {errors}")
    print(f"{width} px, {scheme}: background {layout['background']}, {contrasts['texts']} texts, lowest contrast "
          f"{lowest:.1f}, {layout['links']} cells to link, loaded in {loaded:.2f} s: {'ok' if not found else 'FAILED'}")
    return [f"{width} px, {scheme}: {what}" for what in found]


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    page = pathlib.Path(sys.argv[1]).resolve()
    folder = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp(prefix="page-"))
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(profile)
        for width in WIDTHS:
            for scheme in SCHEMES:
                found += check(browser, page.as_uri(), width, scheme, folder)
        browser.close()
    print(*found, f"screenshots in {folder}", sep="\n")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
