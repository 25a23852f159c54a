"""The admin's pages: they open, keep what must stay, and start the making."""

import io
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils.html import escape
from PIL import Image

from generation import jobs, uploads
from generation.imagefile import mask_file, pixel_sha256
from generation.models import (
    Clustering,
    ClusterMember,
    ContentImage,
    Job,
    Mask,
    Recipe,
    SourceImage,
    State,
    StimulusSet,
    Style,
    StyleCluster,
    StylizedImage,
    Word,
)
from generation.vision.recipe import PRESETS
from tests.factories import (
    ClusteringFactory,
    ContentImageFactory,
    RecipeFactory,
    SourceImageFactory,
    WordFactory,
    make_ready_set,
    png,
)

pytestmark = [
    pytest.mark.django_db,
    # Static files are collected at install, not for tests.
    pytest.mark.filterwarnings("ignore:No directory at:UserWarning"),
]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[StimulusSet]:
    calls: list[StimulusSet] = []
    monkeypatch.setattr(jobs, "make", calls.append)
    return calls


@pytest.fixture
def full() -> StimulusSet:
    """A set with every kind of row behind it."""
    stimulus_set = make_ready_set(2, 2)
    picture = stimulus_set.pictures.first()
    picture.loss_curve = [3.0, 2.0, 1.5]
    picture.save()
    word = picture.word
    image = SourceImageFactory(word=word)
    SourceImageFactory(word=word, rejected="<b>text</b>")
    cluster = StyleCluster.objects.create(
        clustering=picture.clustering, rank=1, size=1, cohesion=0.9, score=1, chosen=True
    )
    ClusterMember.objects.create(
        clustering=picture.clustering, cluster=cluster, image=image, order=0, is_medoid=True
    )
    Job.objects.create(kind="embed", word=word, state=State.FAILED, error="No weights.")
    Style.objects.create(
        clustering=picture.clustering,
        recipe=picture.recipe,
        ranks="1",
        members=1,
        dispersion={"conv1_1": 0.1},
        file=ContentFile(png(20), name="t.png"),
        seconds=1.0,
    )
    return stimulus_set


MODELS = [m for m in admin.site._registry if m._meta.app_label in ("generation", "auth")]


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_page_opens(
    admin_client: Client, full: StimulusSet, model: Any, language: str
) -> None:
    headers = {"accept-language": language}
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    assert admin_client.get(reverse(f"{name}_changelist"), headers=headers).status_code == 200
    assert admin_client.get(reverse(f"{name}_add"), headers=headers).status_code in (200, 403)
    for row in model.objects.all()[:3]:
        for page in ("change", "history"):
            url = reverse(f"{name}_{page}", args=[row.pk])
            assert admin_client.get(url, headers=headers).status_code == 200
        deletion = admin_client.get(reverse(f"{name}_delete", args=[row.pk]), headers=headers)
        assert deletion.status_code == 200


def png_upload(name: str) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, png(64), "image/png")


def test_many_photographs_at_once(admin_client: Client) -> None:
    response = admin_client.post(
        reverse("admin:generation_word_add"),
        {
            "text": "木製",
            "photographs": [
                png_upload("a.png"),
                SimpleUploadedFile("bad.jpg", b"hello"),
                png_upload("b.png"),
            ],
        },
        follow=True,
    )
    word = Word.objects.get()
    assert word.images.count() == 2
    assert response.redirect_chain[-1][0] == reverse("admin:generation_word_change", args=[word.pk])
    text = response.content.decode()
    assert "bad.jpg was not taken" in text
    assert "2 photographs added" in text


@pytest.mark.django_db(transaction=True)
def test_others_can_write_while_photographs_are_decoded(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = uploads.read_upload
    depths = []

    def watched(upload: Any) -> Any:
        depths.append(connection.in_atomic_block)
        return real(upload)

    monkeypatch.setattr(uploads, "read_upload", watched)
    data = {"text": "木製", "photographs": [png_upload("a.png"), png_upload("b.png")]}
    admin_client.post(reverse("admin:generation_word_add"), data)
    assert depths == [False, False]


@pytest.fixture
def content(monkeypatch: pytest.MonkeyPatch) -> ContentImage:
    """80 × 64 pixels. No message goes to a broker."""
    monkeypatch.setattr(jobs, "send_ready", lambda: None)
    data = io.BytesIO()
    Image.new("RGB", (80, 64), (200, 40, 40)).save(data, "PNG")
    file = ContentFile(data.getvalue(), name="c.png")
    return ContentImageFactory(width=80, height=64, file=file)


def save_content(client: Client, content: ContentImage, **values: Any) -> str:
    """The page after its form was sent."""
    page = reverse("admin:generation_contentimage_change", args=[content.pk])
    response = client.post(page, {"name": content.name, **values}, follow=True)
    return response.content.decode()


def mask_upload(image: Image.Image) -> SimpleUploadedFile:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return SimpleUploadedFile("m.png", stream.getvalue(), "image/png")


def test_a_mask_is_uploaded_and_checked(admin_client: Client, content: ContentImage) -> None:
    def upload(image: Image.Image) -> str:
        return save_content(admin_client, content, new_mask=mask_upload(image))

    assert "The mask has 64 × 64 pixels, the photograph 80 × 64" in upload(Image.new("L", (64, 64)))
    assert "black everywhere" in upload(Image.new("L", (80, 64)))
    assert content.mask is None
    text = upload(Image.new("RGB", (80, 64), "white"))
    mask = content.mask
    assert mask is not None
    assert (mask.kind, mask.state) == ("upload", "done")
    with Image.open(mask.file.path) as image:
        assert (image.mode, image.size, image.getextrema()) == ("L", (80, 64), (255, 255))
        assert mask.sha256 == pixel_sha256(image)
    assert f"/image/mask/{mask.pk}/" in text, "the page shows it"
    assert "uploaded" in text


def test_a_box_is_asked_for_once(admin_client: Client, content: ContentImage) -> None:
    box = {"left": 10, "top": 0, "right": 80, "bottom": 60}
    text = save_content(admin_client, content, **box)
    assert "A new mask waits for a worker." in text
    assert "data-working" in text
    row = Mask.objects.get()
    assert (row.kind, row.box, row.state) == ("box", [10, 0, 80, 60], "queued")
    # The page shows the numbers, so they come again with the next change of a text.
    assert 'name="left" value="10"' in text
    save_content(admin_client, content, **box, credit="somebody")
    assert Mask.objects.count() == 1
    Mask.objects.update(state=State.FAILED, error="No <object>.")
    page = reverse("admin:generation_contentimage_change", args=[content.pk])
    text = admin_client.get(page).content.decode()
    assert "No &lt;object&gt;." in text
    save_content(admin_client, content, **box, credit="somebody else")
    assert Mask.objects.count() == 1, "the same box would fail again"
    save_content(admin_client, content, **{**box, "right": 79})
    assert Mask.objects.count() == 2


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ({"left": 10, "top": 0, "right": 81, "bottom": 60}, "photograph of 80 × 64 pixels"),
        ({"left": 10, "top": 0, "right": 80}, "four numbers"),
        ({"left": 50, "top": 0, "right": 50, "bottom": 60}, "left less than right"),
        ({"left": -1, "top": 0, "right": 50, "bottom": 60}, "greater than or equal to 0"),
        ({"left": "x", "top": 0, "right": 50, "bottom": 60}, "whole number"),
        (
            {"left": 1, "top": 0, "right": 50, "bottom": 60, "by_network": "on"},
            "Choose one way to a mask",
        ),
    ],
)
def test_boxes_that_are_refused(
    admin_client: Client, content: ContentImage, box: dict[str, Any], message: str
) -> None:
    assert message in save_content(admin_client, content, **box)
    assert not Mask.objects.exists()


def test_the_network_is_asked(admin_client: Client, content: ContentImage) -> None:
    assert "waits for a worker" in save_content(admin_client, content, by_network="on")
    assert Mask.objects.get().kind == "network"
    both = {"by_network": "on", "new_mask": mask_upload(Image.new("L", (80, 64), 255))}
    assert "Choose one way" in save_content(admin_client, content, **both)
    assert Mask.objects.count() == 1


def test_the_mask_is_shown_over_the_photograph(admin_client: Client, content: ContentImage) -> None:
    half = Image.new("L", (80, 64))
    half.paste(255, (0, 0, 40, 64))
    save_content(admin_client, content, new_mask=mask_upload(half))
    url = reverse("generation:image", args=["mask", Mask.objects.get().pk])
    with Image.open(io.BytesIO(admin_client.get(url).content)) as shown:
        inside, outside = shown.getpixel((10, 32)), shown.getpixel((70, 32))
    assert all(abs(a - b) < 12 for a, b in zip(inside, (200, 40, 40), strict=True))
    # Gray of (200, 40, 40) is 88; 30 % of it and 70 % white are 205.
    assert all(abs(value - 205) < 12 for value in outside)
    state = admin_client.get(reverse("generation:mask-state", args=[content.pk]))
    assert 'data-part="mask"' in state.content.decode()


def test_who_may_only_look_sees_the_mask_and_no_form(client: Client, content: ContentImage) -> None:
    image = Image.new("L", (80, 64), 255)
    row = content.masks.create(kind="upload", state=State.DONE, file=mask_file(image))
    addresses = [
        reverse("generation:image", args=["mask", row.pk]),
        reverse("generation:mask-state", args=[content.pk]),
        reverse("admin:generation_contentimage_change", args=[content.pk]),
    ]
    user = User.objects.create_user("looker", is_staff=True)
    client.force_login(user)
    assert [client.get(address).status_code for address in addresses] == [403] * 3
    user.user_permissions.add(Permission.objects.get(codename="view_contentimage"))
    assert [client.get(address).status_code for address in addresses] == [200] * 3
    text = client.get(addresses[-1]).content.decode()
    assert f"/image/mask/{row.pk}/" in text
    assert "data-box" not in text
    assert client.post(addresses[-1], {"by_network": "on"}).status_code == 403


def test_a_word_with_pictures_keeps_its_name(admin_client: Client, full: StimulusSet) -> None:
    word = full.words.first()
    page = reverse("admin:generation_word_change", args=[word.pk])
    admin_client.post(page, {"text": "another word", "gloss": "a gloss"})
    before = word.text
    word.refresh_from_db()
    assert (word.text, word.gloss) == (before, "a gloss")


def test_leave_out_asks_and_accept_undoes(admin_client: Client) -> None:
    row = SourceImageFactory()
    url = reverse("admin:generation_sourceimage_changelist")
    data = {"action": "leave_out", "_selected_action": [row.pk]}
    page = admin_client.post(url, data)
    assert "Why are they left out?" in page.content.decode()
    row.refresh_from_db()
    assert row.rejected == ""
    admin_client.post(url, {**data, "apply": "1", "reason": "", "other": "a dog"})
    row.refresh_from_db()
    assert row.rejected == "a dog"
    admin_client.post(url, {**data, "action": "accept"})
    assert SourceImage.objects.accepted().count() == 1


def test_make_pictures_saves_and_starts(
    admin_client: Client, full: StimulusSet, made: list[StimulusSet]
) -> None:
    word = WordFactory()
    url = reverse("admin:generation_stimulusset_change", args=[full.pk])
    assert 'name="_make"' in admin_client.get(url).content.decode()
    data = {
        "name": full.name,
        "slug": full.slug,
        "words": [word.pk],
        "contents": [c.pk for c in full.contents.all()],
        "recipes": [r.pk for r in full.recipes.all()],
        "_make": "1",
    }
    response = admin_client.post(url, data)
    assert response.url == reverse("generation:set", args=[full.slug])
    assert made == [full]
    assert list(full.words.all()) == [word]


def test_make_again_and_what_is_missing(
    admin_client: Client, full: StimulusSet, made: list[StimulusSet]
) -> None:
    url = reverse("generation:set-make", args=[full.slug])
    assert admin_client.get(url).status_code == 405
    assert admin_client.post(url).status_code == 302
    assert made == [full]
    full.words.clear()
    page = admin_client.post(url, follow=True)
    assert "choose at least one each of words" in page.content.decode()
    assert made == [full]


def test_progress_shows_states_and_reasons(admin_client: Client, full: StimulusSet) -> None:
    first, second, third, _fourth = full.pictures.all()
    StylizedImage.objects.filter(pk=first.pk).update(state=State.FAILED, error="No <memory>.")
    StylizedImage.objects.filter(pk=second.pk).update(state=State.RUNNING, progress=14, budget=28)
    for name in ("set", "set-state"):
        text = admin_client.get(reverse(f"generation:{name}", args=[full.slug])).content.decode()
        assert "No &lt;memory&gt;." in text
        assert "No weights." in text
        assert "50%" in text
        assert "2 of 4 pictures" in text
        assert reverse("generation:image", args=["picture", third.pk]) in text
        assert reverse("generation:image", args=["style", Style.objects.get().pk]) in text
        assert "data-working" in text


def test_progress_takes_the_same_number_of_queries(
    admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    for words in (2, 6):
        row = make_ready_set(words, 3)
        with django_assert_max_num_queries(14):
            admin_client.get(reverse("generation:set-state", args=[row.slug]))


PAGES = [("set", ["x"]), ("set-state", ["x"]), ("image", ["photograph", 1])]


@pytest.mark.parametrize(("name", "args"), PAGES)
def test_only_staff(client: Client, name: str, args: list[Any]) -> None:
    url = reverse(f"generation:{name}", args=args)
    assert "/login/" in client.get(url).url
    client.force_login(User.objects.create_user("visitor"))
    assert "/login/" in client.get(url).url


def test_staff_need_the_permission(client: Client, full: StimulusSet, made: list[Any]) -> None:
    user = User.objects.create_user("helper", is_staff=True)
    client.force_login(user)
    small = reverse("generation:image", args=["picture", full.pictures.first().pk])
    assert client.get(small).status_code == 403
    page = reverse("generation:set", args=[full.slug])
    make = reverse("generation:set-make", args=[full.slug])
    assert client.get(page).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_stimulusset"))
    text = client.get(page).content.decode()
    assert make not in text
    assert client.post(make).status_code == 403
    change = reverse("admin:generation_stimulusset_change", args=[full.pk])
    assert 'name="_make"' not in client.get(change).content.decode()
    assert client.post(change, {"_make": "1"}).status_code == 403
    assert made == []


def test_a_recipe_in_use_stays(admin_client: Client, full: StimulusSet) -> None:
    recipe = full.recipes.get()
    url = reverse("admin:generation_recipe_change", args=[recipe.pk])
    assert admin_client.post(url, {"name": recipe.name, "evaluations": 5}).status_code == 403
    assert Recipe.objects.get().evaluations == recipe.evaluations
    unused = RecipeFactory()
    page = admin_client.get(reverse("admin:generation_recipe_change", args=[unused.pk]))
    assert 'name="_save"' in page.content.decode()


RECIPE = {
    "name": "mine",
    "preset": "fast",
    "encoder": "vgg16-hed",
    "region": "whole",
    "clusters": 3,
    "cluster_choice": "best",
    "members": "all",
    "seed": 1,
}


def test_the_choice_of_a_preset_shows_its_reason(admin_client: Client) -> None:
    text = admin_client.get(reverse("admin:generation_recipe_add")).content.decode()
    for preset in PRESETS.values():
        assert escape(preset.reason) in text
    assert "what the recipe finally is" not in text.lower()
    assert text.count("as the preset has it</option>") == 7, "instead of dashes"


def test_a_recipe_is_saved_and_shown_whole(admin_client: Client) -> None:
    typed = {"style_layers": "conv1_1*3 conv2_1", "coarse": "64: 5", "pooling": "average"}
    add = reverse("admin:generation_recipe_add")
    assert admin_client.post(add, {**RECIPE, **typed}).status_code == 302
    recipe = Recipe.objects.get()
    assert recipe.transfer_params().style_weights == (0.75, 0.25)
    for in_use in (False, True):
        if in_use:
            Job.objects.create(kind="represent", word=WordFactory(), recipe=recipe)
        page = admin_client.get(reverse("admin:generation_recipe_change", args=[recipe.pk]))
        text = page.content.decode()
        assert ('name="_save"' in text) is not in_use
        assert escape(PRESETS["fast"].reason) in text
        assert "25 evaluations a picture" in text
        assert "conv1_1*0.75 conv2_1*0.25" in text
        assert text.count('<tr class="own') == 3


def test_what_is_wrong_with_a_recipe_is_said_at_its_field(admin_client: Client) -> None:
    typed = {
        "style_layers": "conv1_1 conv3_4",
        "coarse": "64",
        "sigma": "0",
        "tv_weight": "-1",
        "learning_rate": "nan",
    }
    page = admin_client.post(reverse("admin:generation_recipe_add"), {**RECIPE, **typed})
    errors = page.context["adminform"].form.errors
    assert set(errors) == set(typed)
    assert "convolutions of vgg16-hed" in str(errors["style_layers"])
    assert "as in “128: 20, 192: 10”, got “64”" in str(errors["coarse"])
    assert not Recipe.objects.exists()
    # What is wrong inside is not hidden.
    advanced = next(f for f in page.context["adminform"] if "collapse" in f.classes)
    assert not advanced.is_collapsible


def test_a_recipe_that_is_no_longer_valid_can_still_be_opened(admin_client: Client) -> None:
    recipe = RecipeFactory(content_layer="conv3_4", encoder="vgg16-hed")
    page = admin_client.get(reverse("admin:generation_recipe_change", args=[recipe.pk]))
    assert "expected convolutions of vgg16-hed" in page.content.decode()


@pytest.mark.parametrize(
    "model", [Word, Recipe, StimulusSet, ContentImage, SourceImage, Clustering]
)
def test_protected_rows_get_the_usual_page(
    admin_client: Client, full: StimulusSet, model: Any
) -> None:
    row = {
        SourceImage: SourceImage.objects.filter(rejected="").first(),
        Word: full.words.first(),
    }.get(model) or model.objects.first()
    name = f"admin:generation_{model._meta.model_name}"
    for data in (None, {"post": "yes"}):
        url = reverse(f"{name}_delete", args=[row.pk])
        page = admin_client.post(url, data) if data else admin_client.get(url)
        assert page.status_code == 200
        assert "protected" in page.content.decode().lower()
    listing = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
    page = admin_client.post(reverse(f"{name}_changelist"), listing)
    assert page.status_code == 200
    assert model.objects.filter(pk=row.pk).exists()


def test_thumbnails(admin_client: Client, full: StimulusSet) -> None:
    picture = full.pictures.first()
    url = reverse("generation:image", args=["picture", picture.pk])
    response = admin_client.get(url, {"size": "96"})
    assert response["Content-Type"] == "image/jpeg"
    assert "private" in response["Cache-Control"]
    again = admin_client.get(url, {"size": "96"}, headers={"if-none-match": response["ETag"]})
    assert again.status_code == 304
    for size in ("", "-1", "abc", "999999999", "²"):
        assert admin_client.get(url, {"size": size}).status_code == 200
    for kind, row in [("content", picture.content), ("photograph", SourceImage.objects.first())]:
        assert admin_client.get(reverse("generation:image", args=[kind, row.pk])).status_code == 200
    picture.file.delete(save=False)
    assert admin_client.get(url).status_code == 404
    assert admin_client.get(reverse("generation:image", args=["word", 1])).status_code == 404


def test_the_medoid_comes_first(admin_client: Client) -> None:
    clustering = ClusteringFactory()
    cluster = StyleCluster.objects.create(
        clustering=clustering, rank=1, size=2, cohesion=0.9, score=1, chosen=True
    )
    images = SourceImageFactory.create_batch(2, word=clustering.word)
    for order, image in enumerate(images):
        ClusterMember.objects.create(
            clustering=clustering, cluster=cluster, image=image, order=order, is_medoid=order == 1
        )
    url = reverse("admin:generation_clustering_change", args=[clustering.pk])
    text = admin_client.get(url).content.decode()
    positions = [text.index(f"/photograph/{image.pk}/") for image in images]
    assert positions[1] < positions[0]
