"""The server is killed while somebody answers, and is back a little later."""

import json

import pytest

from tests.services.conftest import Site
from tests.services.web import Server, open_a_study

pytestmark = [pytest.mark.browser, pytest.mark.service, pytest.mark.timeout(180)]


@pytest.mark.parametrize("killed_before", ["choosing", "sending"])
def test_a_killed_server_loses_and_doubles_nothing(chromium, tmp_path, killed_before):
    site = Site(tmp_path)
    open_a_study(site, "restart")
    server = Server(site)
    server.wait()
    context = chromium.new_context(viewport={"width": 390, "height": 844}, locale="en-GB")
    chosen = []
    try:
        page = context.new_page()
        page.goto(f"{server.base}/s/restart/")
        page.locator("input[name=consent]").check()
        page.locator("button.primary").click()
        for n in range(6):
            page.locator(f"input[name=trial][value='{n + 1}']").wait_for(state="attached")
            option = page.locator("label.picture").nth(n % 3)
            page.locator("[name=slot]:enabled").first.wait_for()
            if n == 2 and killed_before == "choosing":
                server.kill()
            option.click()
            chosen.append(n % 3)
            if n == 2 and killed_before == "sending":
                server.kill()
            page.locator("button.primary").click()
            if n == 2:
                status = page.get_by_text("Waiting for the network")
                status.wait_for()
                # Still the same question, and it cannot be changed any more.
                assert page.locator("input[name=trial]").get_attribute("value") == "3"
                assert page.locator("[name=slot]:enabled").count() == 0
                server.start()
                status.wait_for(state="hidden", timeout=60_000)
        page.locator(".centred h1").wait_for()
    finally:
        context.close()
        server.kill()
    stored = json.loads(
        site.shell(
            "import json; from survey.models import Answer; print(json.dumps(list("
            "Answer.objects.order_by('trial__position').values_list('trial__position', 'slot'))))"
        )
    )
    assert stored == [[n + 1, slot] for n, slot in enumerate(chosen)]
