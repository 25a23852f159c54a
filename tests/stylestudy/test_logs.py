"""Keys of participants stay out of the log."""

import logging
import logging.config

import pytest
from django.test import Client

from stylestudy import settings as product
from stylestudy.logs import NoKeys


def test_addresses_are_shortened() -> None:
    record = logging.LogRecord(
        "django.request", 40, "f", 1, "Not Found: %s", ("/p/SECRETSECRET/3/0/picture",), None
    )
    assert NoKeys().filter(record)
    assert record.getMessage() == "Not Found: /p/…/3/0/picture"
    record = logging.LogRecord("x", 40, "f", 1, "%s of %d: /i/abcdefgh-_/", ("a", 2), None)
    NoKeys().filter(record)
    assert record.getMessage() == "a of 2: /i/…/"
    for kept in ("/s/study-of-fur/", "100 %", "/pictures/abcdefghij"):
        record = logging.LogRecord("x", 40, "f", 1, kept, None, None)
        NoKeys().filter(record)
        assert record.getMessage() == kept


@pytest.mark.django_db
def test_the_console_of_the_product_prints_none(capsys: pytest.CaptureFixture[str]) -> None:
    logging.config.dictConfig(product.LOGGING)
    try:
        assert Client().get("/p/SECRETSECRET/").status_code == 404
    finally:
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, "root": {}})
        for name in ("generation", "survey", "stylestudy"):
            logger = logging.getLogger(name)
            logger.handlers.clear()
            logger.propagate = True
    printed = capsys.readouterr().err
    assert "Not Found: /p/…/" in printed
    assert "SECRETSECRET" not in printed
