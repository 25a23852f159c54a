"""Pictures as a dataset of textures, as torchvision and Hugging Face read them."""

import csv
import json
from pathlib import Path

import pandas as pd
import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from generation.models import (
    ClusterMember,
    ContentImage,
    Recipe,
    SourceImage,
    StimulusSet,
    StyleCluster,
    StylizedImage,
    Word,
)
from generation.textures import COLUMNS, Choices, TexturesError, folders, write
from tests.factories import SourceImageFactory, make_ready_set

pytestmark = pytest.mark.django_db

# (word, reading, gloss) and the folder's name: by hand.
NAMES = (
    ("ふさふさ", "fusafusa", "bushy", "1_fusafusa"),
    ("NA", "", "", "2_na"),
    ("007", "", "", "3_word"),
    ("金属製", "きんぞくせい", "made of metal", "4_made-of-metal"),
    ("../etc", "", "", "5_etc"),
)


@pytest.fixture
def stimulus_set() -> StimulusSet:
    """Five words × three contents, all free but the photographs of the last word."""
    made = make_ready_set(words=5, contents=3)
    for word, (text, reading, gloss, _folder) in zip(made.words.order_by("pk"), NAMES, strict=True):
        Word.objects.filter(pk=word.pk).update(text=text, reading=reading, gloss=gloss)
        image = SourceImageFactory(word=word, license="by 4.0", credit=f"maker of {text}")
        clustering = word.clusterings.get()
        cluster = StyleCluster.objects.create(
            clustering=clustering, rank=1, size=1, cohesion=1, score=1, chosen=True
        )
        ClusterMember.objects.create(clustering=clustering, cluster=cluster, image=image, order=0)
        made.pictures.filter(word=word).update(params={"clusters": [1], "encoder": "vgg16-hed"})
    ContentImage.objects.update(license="CC0")
    return made


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def forbid_the_last(stimulus_set: StimulusSet) -> list[int]:
    last = stimulus_set.words.order_by("pk").last()
    SourceImage.objects.filter(word=last).update(license="by-nd 4.0")
    return list(stimulus_set.pictures.filter(word=last).values_list("pk", flat=True))


def test_torchvision_reads_it(stimulus_set: StimulusSet, tmp_path: Path) -> None:
    datasets = pytest.importorskip("torchvision.datasets")
    write(stimulus_set, tmp_path / "out")
    read = datasets.ImageFolder(tmp_path / "out")
    assert read.classes == [folder for *_, folder in NAMES]
    assert len(read) == 15
    picture, label = read[0]
    assert picture.size == (16, 16)
    assert label == 0
    # Each file is the picture of its row: the same pixels, in the folder of its word.
    for row in table(tmp_path / "out/metadata.csv"):
        stored = stimulus_set.pictures.get(pk=int(row["file_name"].rpartition("-")[2][:-4]))
        assert row["word"] == stored.word.text
        with (
            stored.file.open("rb") as file,
            Image.open(file) as one,
            Image.open(tmp_path / "out" / row["file_name"]) as other,
        ):
            assert one.tobytes() == other.tobytes()


def imagefolder(folder: Path) -> pd.DataFrame:
    """What `datasets.load_dataset("imagefolder", data_dir=folder)` makes of one split.

    Its rules, from its documentation ("Create an image dataset") and folder_based_builder.py of datasets 4: metadata.csv is
    read by ``pandas.read_csv`` with its defaults; it must have a column ``file_name`` of texts, each naming a file
    relative to the folder of the table; every file with the ending of a picture belongs to a row.
    """
    found = pd.read_csv(folder / "metadata.csv")
    assert pd.api.types.is_string_dtype(found["file_name"])
    named = {(folder / name).resolve() for name in found["file_name"]}
    assert named == {path.resolve() for path in folder.rglob("*.png")}
    for path in named:
        with Image.open(path) as image:
            image.verify()
    # Other endings that it would take for pictures, metadata or archives.
    others = {p.suffix for p in folder.rglob("*") if p.is_file()} - {".png"}
    assert others <= {".csv", ".json", ".md"}
    assert len(list(folder.rglob("metadata.*"))) == 1
    return found


def test_hugging_face_reads_it(stimulus_set: StimulusSet, tmp_path: Path) -> None:
    write(stimulus_set, tmp_path / "out")
    found = imagefolder(tmp_path / "out")
    assert list(found.columns) == list(COLUMNS)
    assert len(found) == 15
    # What pandas spoils among words it leaves whole among labels.
    assert found["word"].isna().sum() == 3
    assert sorted(set(found["label"])) == [folder for *_, folder in NAMES]
    assert (found["file_name"].str.split("/").str[0] == found["label"]).all()
    exact = table(tmp_path / "out/metadata.csv")
    assert {row["word"] for row in exact} == {text for text, *_ in NAMES}


def test_classes_say_which_word_each_folder_is(stimulus_set: StimulusSet, tmp_path: Path) -> None:
    write(stimulus_set, tmp_path / "out")
    classes = json.loads((tmp_path / "out/classes.json").read_text(encoding="utf-8"))
    assert classes == {
        folder: {"word": text, "reading": reading, "gloss": gloss}
        for text, reading, gloss, folder in NAMES
    }


def test_folders_are_in_the_order_of_words_also_past_nine() -> None:
    words = [Word(pk=n, text=f"w{n}") for n in range(1, 13)]
    names = list(folders(words).values())
    assert names == sorted(names)
    assert names[0] == "01_w1"


def test_a_split_is_by_content_and_both_parts_have_all_classes(
    stimulus_set: StimulusSet, tmp_path: Path
) -> None:
    made = write(stimulus_set, tmp_path / "out", Choices(split=0.3, seed=1))
    assert made.counts == {"train": 10, "test": 5}
    parts = {part: imagefolder(tmp_path / "out" / part) for part in ("train", "test")}
    contents = {part: set(found["content"]) for part, found in parts.items()}
    assert contents["train"].isdisjoint(contents["test"])
    assert len(contents["test"]) == 1
    datasets = pytest.importorskip("torchvision.datasets")
    read = [datasets.ImageFolder(tmp_path / "out" / part).classes for part in parts]
    assert read[0] == read[1] == [folder for *_, folder in NAMES]
    write(stimulus_set, tmp_path / "again", Choices(split=0.3, seed=1))
    again = table(tmp_path / "again/test/metadata.csv")
    assert {row["content"] for row in again} == contents["test"]


def test_a_split_needs_two_contents(tmp_path: Path) -> None:
    made = make_ready_set(words=2, contents=1)
    with pytest.raises(TexturesError, match=r"at least 2 content photographs; came 0\.5 and 1"):
        write(made, tmp_path / "out", Choices(split=0.5, restricted=True))


def test_pictures_that_may_not_be_passed_on_are_left_out(
    stimulus_set: StimulusSet, tmp_path: Path
) -> None:
    forbidden = forbid_the_last(stimulus_set)
    made = write(stimulus_set, tmp_path / "out")
    assert made.counts == {"": 12}
    assert made.classes == 4
    assert made.left_out == dict.fromkeys(
        forbidden, "its photographs' licences do not let it be passed on: CC BY-ND 4.0, CC0 1.0"
    )
    assert not (tmp_path / "out/5_etc").exists()
    assert "3 pictures of the set are left out" in (tmp_path / "out/README.md").read_text()
    own = write(stimulus_set, tmp_path / "own", Choices(restricted=True))
    assert own.counts == {"": 15}
    found = imagefolder(tmp_path / "own")
    assert list(found["republish"].value_counts().sort_index().items()) == [("no", 3), ("yes", 12)]
    assert "for your own use only" in (tmp_path / "own/README.md").read_text()


def test_everybody_whose_photographs_were_used_is_named(
    stimulus_set: StimulusSet, tmp_path: Path
) -> None:
    forbid_the_last(stimulus_set)
    write(stimulus_set, tmp_path / "out")
    credited = json.loads((tmp_path / "out/CREDITS.json").read_text(encoding="utf-8"))
    assert sorted(one["for"] for one in credited if one["role"] == "style") == sorted(
        text for text, *_ in NAMES[:4]
    )
    assert sum(one["role"] == "content" for one in credited) == 3
    assert "maker of ふさふさ, CC BY 4.0" in (tmp_path / "out/CREDITS.md").read_text(
        encoding="utf-8"
    )


def test_a_picture_whose_file_is_gone_is_named(stimulus_set: StimulusSet, tmp_path: Path) -> None:
    first = stimulus_set.pictures.order_by("pk")[0]
    first.file.storage.delete(first.file.name)
    made = write(stimulus_set, tmp_path / "out")
    assert made.left_out == {first.pk: "its file is missing"}
    assert len(imagefolder(tmp_path / "out")) == 14


def test_unfinished_pictures_and_other_recipes_are_not_in_it(
    stimulus_set: StimulusSet, tmp_path: Path
) -> None:
    first = stimulus_set.pictures.order_by("pk")[0]
    StylizedImage.objects.filter(pk=first.pk).update(state="failed")
    call_command("export_textures", stimulus_set.slug, "--out", str(tmp_path / "out"))
    assert len(imagefolder(tmp_path / "out")) == 14
    other = Recipe.objects.create(name="other")
    with pytest.raises(CommandError, match="of 0 there is none"):
        call_command(
            "export_textures",
            stimulus_set.slug,
            "--out",
            str(tmp_path / "b"),
            "--recipe",
            other.name,
        )


def test_the_command_says_what_it_wrote_and_what_is_wrong(
    stimulus_set: StimulusSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forbidden = forbid_the_last(stimulus_set)
    out = tmp_path / "out"
    call_command("export_textures", stimulus_set.slug, "--out", str(out), "--split", "0.34")
    said = capsys.readouterr().out
    assert f"{out}: pictures of 4 words: train 8, test 4." in said
    assert f"  {forbidden[0]}: its photographs' licences do not let it be passed on" in said
    for arguments, message in (
        ((stimulus_set.slug, "--out", str(out)), "is not an empty folder"),
        (("nope", "--out", str(tmp_path / "c")), "There is no set 'nope'"),
        ((stimulus_set.slug, "--out", str(tmp_path / "c"), "--recipe", "nope"), "no recipe 'nope'"),
        ((stimulus_set.slug, "--out", str(tmp_path / "c"), "--split", "1"), "between 0 and 1"),
    ):
        with pytest.raises(CommandError, match=message):
            call_command("export_textures", *arguments)
    assert not (tmp_path / "c").exists()
