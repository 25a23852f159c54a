import re

from django.core.management import call_command

from stylestudy import settings as product


def test_modules_import_each_other_by_their_hashed_names(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path
    # pytest runs with plain storage; this is the product's own.
    settings.STORAGES = settings.STORAGES | {"staticfiles": product.STORAGES["staticfiles"]}
    call_command("collectstatic", interactive=False, verbosity=0)
    (script,) = list((tmp_path / "survey").glob("quiz.*.js"))
    imported = re.findall(r'from "\./([^"]+)"', script.read_text(encoding="utf-8"))
    assert len(imported) == 2
    for name in imported:
        assert re.fullmatch(r"(pictures|send)\.[0-9a-f]{12}\.js", name)
        assert (tmp_path / "survey" / name).exists()
