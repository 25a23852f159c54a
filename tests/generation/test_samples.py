"""The manifest of the samples, against itself and, where they were downloaded, the packages."""

from itertools import combinations
from pathlib import Path

import pytest
from django.conf import settings

from generation import packages
from generation.imagefile import read_image
from generation.sources.base import SourceError
from generation.sources.samples import CONTENTS, WORDS, SampleSource, crop


def test_words_and_contents_are_enough() -> None:
    assert len(WORDS) >= 5
    assert len(CONTENTS) >= 3
    assert [word.text for word in WORDS[:2]] == ["木製", "金属製"]
    for word in WORDS:
        assert sum(len(texture.boxes()) for texture in word.textures) >= 8


def test_crops_of_one_texture_never_overlap() -> None:
    for word in WORDS:
        members = [(t.package, t.member) for t in word.textures]
        assert len(set(members)) == len(members)
        for texture in word.textures:
            for a, b in combinations(texture.boxes(), 2):
                assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_an_unknown_word_names_the_words() -> None:
    with pytest.raises(SourceError, match="木製"):
        list(SampleSource(Path("unused")).search("ふさふさ", 10))


def test_a_crop_outside_of_the_image_is_refused() -> None:
    from tests.factories import png

    with pytest.raises(SourceError, match="not inside"):
        crop(png(16), (0, 0, 32, 32))


def test_a_changed_package_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = packages.PACKAGES["vpython"]

    class Done:
        returncode = 0
        stderr = ""

    def download(command: list[str], **_kwargs: object) -> Done:
        folder = Path(command[command.index("--dest") + 1])
        (folder / package.filename).write_bytes(b"something else")
        return Done()

    monkeypatch.setattr(packages.subprocess, "run", download)
    with pytest.raises(packages.PackageError, match="SHA-256"):
        packages.fetch("vpython", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.enable_socket
def test_every_sample_can_be_read() -> None:
    source = SampleSource(settings.PACKAGES_ROOT)
    for word in WORDS:
        digests = set()
        for hit in source.search(word.text, 100):
            photo = read_image(source.read(hit))
            assert (photo.width, photo.height) == (256, 256)
            digests.add(photo.image.tobytes())
        assert len(digests) >= 8
