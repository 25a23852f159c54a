"""Deployment mistakes are said by `manage.py check`."""

import importlib.util
from typing import Any

import pytest
import torch
from django.core.checks import run_checks

from generation.checks import device_and_precision_are_there as check


@pytest.mark.parametrize(
    ("device", "precision", "message"),
    [
        ("cuda:0", "auto", "finds 0 CUDA"),
        ("cpu", "tf32", "'tf32' was asked for, but the device 'cpu' cannot"),
        ("auto", "tf32", "'tf32' was asked for, but the device"),
    ],
)
def test_a_wish_that_cannot_be_met_is_a_warning(
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    device: str,
    precision: str,
    message: str,
) -> None:
    settings.DEVICE, settings.PRECISION = device, precision
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    (found,) = [one for one in run_checks() if one.id == "generation.W001"]
    assert message in found.msg
    assert "STYLESTUDY_PRECISION" in str(found.hint)


@pytest.mark.parametrize(("device", "precision"), [("cpu", "bf16"), ("auto", "auto")])
def test_one_that_can_is_none(settings: Any, device: str, precision: str) -> None:
    settings.DEVICE, settings.PRECISION = device, precision
    assert check(None) == []


def test_a_web_process_without_torch_cannot_tell(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEVICE = "cuda:0"
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert check(None) == []


@pytest.mark.parametrize(("deploy", "ids"), [(False, ["W002"]), (True, ["W002", "E002"])])
def test_hosts_that_are_not_public(settings: Any, deploy: bool, ids: list[str]) -> None:
    def found() -> list[Any]:
        return [
            one
            for one in run_checks(tags=["security"], include_deployment_checks=deploy)
            if str(one.id).startswith("generation.")
        ]

    settings.DOWNLOAD_ALLOW_HOSTS = []
    assert found() == []
    settings.DOWNLOAD_ALLOW_HOSTS = ["127.0.0.1:8000", "pictures.lan"]
    assert sorted(one.id for one in found()) == sorted(f"generation.{name}" for name in ids)
    assert {one.is_serious() for one in found()} == ({False, True} if deploy else {False})
    for one in found():
        assert "127.0.0.1:8000, pictures.lan" in one.msg
        assert "STYLESTUDY_DOWNLOAD_ALLOW_HOSTS" in str(one.hint)
