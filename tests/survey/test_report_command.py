import io
import json

import pytest
from django.core.management import CommandError, call_command

from tests.survey.report_case import build_case

pytestmark = pytest.mark.django_db


def run(*args: str) -> str:
    out = io.StringIO()
    call_command("report", *args, stdout=out)
    return out.getvalue()


def test_json_and_csv() -> None:
    build_case()
    data = json.loads(run("small", "--format", "json"))
    assert (data["raters"], data["answers"]) == (2, 4)
    data = json.loads(run("small", "--include-simulated"))
    assert (data["raters"], data["answers"]) == (3, 5)
    assert len(run("small", "--format", "csv").splitlines()) == 1 + 3 + 6 + 2 + 1


def test_unknown_study_names_the_known() -> None:
    build_case()
    with pytest.raises(CommandError, match=r"'smal'.*small"):
        run("smal")
