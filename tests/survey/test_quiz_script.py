"""quiz.js in the system's Chromium, on a page whose forms are sent nowhere and whose time runs fast."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "survey/static/survey/quiz.js"

PAGE = """<!doctype html><meta charset="utf-8">
<form data-quiz><input type="radio" name="slot"><input type="radio" name="slot"><button>Next</button></form>
<pre></pre>
<script type="module">%(script)s</script>
<script type="module">
const [first, second] = document.querySelectorAll("input");
const button = document.querySelector("button");
const found = {};
let sent = 0;
document.addEventListener("submit", (event) => {
  if (!event.defaultPrevented) sent++;
  event.preventDefault();
});
const wait = (time) => new Promise((done) => setTimeout(done, time));
document.dispatchEvent(new KeyboardEvent("keydown", { key: "2" }));
found.chosen = [first.checked, second.checked];
await wait(500);
button.click();
button.click();
await wait(1000);
button.click();
found.doubleTap = sent;
// The page was stopped, the network is back: nothing but time has passed.
await wait(5000);
button.click();
button.click();
found.later = sent;
window.dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
button.click();
found.afterBack = sent;
document.querySelector("pre").textContent = JSON.stringify(found);
</script>
"""


@pytest.fixture
def found(tmp_path: Path) -> dict[str, Any]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no Chromium found: install Debian's package chromium")
    page = tmp_path / "page.html"
    page.write_text(PAGE % {"script": SCRIPT.read_text(encoding="utf-8")}, encoding="utf-8")
    result = subprocess.run(
        [
            chromium,
            *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            f"--user-data-dir={tmp_path / 'profile'}",
            # Milliseconds of the page's time, which passes as fast as it can.
            *("--virtual-time-budget=20000", "--dump-dom", page.as_uri()),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    match = re.search(r"<pre>(.+?)</pre>", result.stdout)
    assert match, f"{result.stdout}\n{result.stderr}"
    answer: dict[str, Any] = json.loads(html.unescape(match[1]))
    return answer


@pytest.mark.browser
def test_digits_choose_and_taps_send_once_a_moment(found: dict[str, Any]) -> None:
    assert found == {"chosen": [False, True], "doubleTap": 1, "later": 2, "afterBack": 3}
