"""Weight of a question page, and when the first question can be answered on a slow line.

    .venv/bin/python benchmarks/page.py [--repeats 5] [--options 4] [--json]

Real gunicorn on loopback with a data folder of its own, real Chromium (a phone, 390 × 844), pictures of 256 px
of noise, which do not compress. Each repeat is a new browser profile that reads the consent page, agrees, and
has seen the question's pictures; then the line is throttled to "Fast 3G" as Chromium's own tools call it (1.44
Mbit/s down, 675 kbit/s up, 562.5 ms for every request) and to "Slow 4G" as Lighthouse simulates it (1.6 Mbit/s,
750 kbit/s, 150 ms), and the question is opened anew.

- ``usable_ms``: from the start of the navigation until the options can be chosen, all pictures painted; median.
- ``bare_ms``: a page of the same site with a style sheet and nothing else, measured the same way; median.
- ``ratio``: of these two, within the run.
- ``html``, ``css``, ``js``: bytes of the question page and what it loads, each compressed by gzip -9.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LINES = {
    # Bytes a second down and up, ms a request.
    "fast-3g": (1.44e6 / 8, 675e3 / 8, 562.5),
    "slow-4g": (1.6e6 / 8, 750e3 / 8, 150.0),
}
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
READY = (
    "() => { const form = document.querySelector('form[data-quiz]');"
    " return form && 'shown' in form.dataset && !form.querySelector('[name=slot]').disabled"
    " && performance.now(); }"
)
LOADED = "() => document.readyState === 'complete' && performance.now()"


def make_study(options: int) -> None:
    """A study of noise in the data folder that the settings name."""
    import io

    from django.core.files.base import ContentFile
    from django.core.management import call_command
    from PIL import Image

    from generation.models import (
        Clustering,
        ContentImage,
        Recipe,
        State,
        StimulusSet,
        StylizedImage,
        Word,
    )
    from survey.lifecycle import open_study
    from survey.models import Study

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)

    def noise(seed: int) -> ContentFile[bytes]:
        image = Image.frombytes("RGB", (256, 256), random.Random(seed).randbytes(3 * 256 * 256))
        stream = io.BytesIO()
        image.save(stream, "PNG")
        return ContentFile(stream.getvalue(), name="picture.png")

    made = StimulusSet.objects.create(slug="noise", name="Noise", status=StimulusSet.Status.READY)
    recipe = Recipe.objects.create(name="none")
    content = ContentImage.objects.create(
        name="noise", file=noise(0), sha256="0" * 64, width=256, height=256
    )
    made.recipes.add(recipe)
    made.contents.add(content)
    for n in range(max(options, 4)):
        word = Word.objects.create(text=f"ことば{n}")
        made.words.add(word)
        clustering = Clustering.objects.create(
            word=word, encoder="vgg16-hed", descriptor="none", params={}, fingerprint="0" * 64
        )
        StylizedImage.objects.create(
            stimulus_set=made,
            word=word,
            content=content,
            recipe=recipe,
            clustering=clustering,
            state=State.DONE,
            file=noise(n + 1),
            sha256=f"{n:064d}",
        )
    open_study(
        Study.objects.create(
            slug="noise", title="Noise", stimulus_set=made, options=options, ask_word=False
        )
    )


@contextmanager
def site(options: int) -> Iterator[str]:
    """The address of a running site of its own."""
    import django

    folder = tempfile.mkdtemp(prefix="stylestudy-page-")
    for name in [n for n in os.environ if n.startswith("STYLESTUDY_")] + ["DATABASE_URL"]:
        os.environ.pop(name, None)
    os.environ["STYLESTUDY_VAR_DIR"] = folder
    os.environ["DJANGO_SETTINGS_MODULE"] = "stylestudy.settings"
    django.setup()
    make_study(options)
    from stylestudy.processes import web_command

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    base = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(web_command("127.0.0.1", port), cwd=ROOT)
    try:
        end = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(base, timeout=5).close()
                break
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)
        yield base
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def squeezed(data: bytes) -> int:
    return len(gzip.compress(data, 9))


def one_repeat(browser: Any, base: str) -> tuple[dict[str, dict[str, float]], dict[str, int]]:
    """Times by line, and the weight, of a new profile."""
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, device_scale_factor=3, has_touch=True
    )
    try:
        page = context.new_page()
        page.goto(f"{base}/s/noise/", wait_until="networkidle")
        page.locator("input[name=consent]").check()
        page.locator("button.primary").click()
        page.wait_for_function(READY)
        page.wait_for_load_state("networkidle")
        address = page.url
        weight = {"html": squeezed(page.request.get(address).body()), "css": 0, "js": 0}
        for kind, selector, attribute in (
            ("css", "link[rel=stylesheet]", "href"),
            ("js", "script[src]", "src"),
            ("js", "link[rel=modulepreload]", "href"),
        ):
            for found in page.locator(selector).all():
                file = page.request.get(base + found.get_attribute(attribute)).body()
                weight[kind] += squeezed(file)
        line = context.new_cdp_session(page)
        line.send("Network.enable")
        times: dict[str, dict[str, float]] = {}
        for name, (down, up, latency) in LINES.items():
            line.send(
                "Network.emulateNetworkConditions",
                {
                    "offline": False,
                    "latency": latency,
                    "downloadThroughput": down,
                    "uploadThroughput": up,
                },
            )
            page.goto(address, wait_until="commit")
            usable = page.wait_for_function(READY, polling="raf").json_value()
            page.goto(f"{base}/s/noise/credits/", wait_until="commit")
            bare = page.wait_for_function(LOADED, polling="raf").json_value()
            times[name] = {"usable_ms": usable, "bare_ms": bare}
        return times, weight
    finally:
        context.close()


def measure(repeats: int, options: int) -> dict[str, Any]:
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        sys.exit("No Chromium found: install Debian's package chromium.")
    with site(options) as base, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        # The first one warms the server and the disk.
        runs = [one_repeat(browser, base) for _ in range(repeats + 1)][1:]
        browser.close()
    weight = runs[-1][1]
    result: dict[str, Any] = {
        "weight": {**weight, "all": sum(weight.values())},
        "options": options,
        "repeats": repeats,
    }
    for name in LINES:
        usable = statistics.median(times[name]["usable_ms"] for times, _weight in runs)
        bare = statistics.median(times[name]["bare_ms"] for times, _weight in runs)
        result[name] = {"usable_ms": usable, "bare_ms": bare, "ratio": usable / bare}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--options", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.repeats < 1 or given.options < 2:
        parser.error("--repeats needs at least 1, --options at least 2")
    result = measure(given.repeats, given.options)
    if given.json:
        print(json.dumps(result, indent=2))
        return
    weight = result["weight"]
    print(
        f"question page, gzip: {weight['html']} B HTML + {weight['css']} B CSS + {weight['js']} B JS"
        f" = {weight['all'] / 1024:.1f} KiB"
    )
    print(f"{'line':8}  {'usable':>8}  {'bare page':>9}  ratio")
    for name in LINES:
        found = result[name]
        print(
            f"{name:8}  {found['usable_ms']:5.0f} ms  {found['bare_ms']:6.0f} ms  {found['ratio']:.2f}"
        )


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
