"""From clusters to a style: which groups, their representation, their texture."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.core.files.base import ContentFile
from django.utils.translation import gettext as _
from PIL import Image

from generation import features
from generation.imagefile import ImageRefused, encode_png, pixel_sha256, read_image
from generation.models import (
    ClusterChoice,
    Clustering,
    ContentImage,
    Mask,
    Members,
    Recipe,
    SourceImage,
    Style,
    StyleCluster,
    StylizedImage,
)
from generation.vision.color import color_moments
from generation.vision.errors import VisionError
from generation.vision.recipe import TransferParams
from generation.vision.style import (
    STYLE_FORMAT,
    Embedding,
    StyleRepresentation,
    blend,
    join_style_vectors,
    represent,
)
from generation.vision.tensors import center_square, to_array
from generation.vision.texture import synthesize
from generation.vision.transfer import Styling

#: Layers whose style vector is the local structure of a photograph: edges and grain, no objects.
LOCAL_BLOCKS = ("conv1", "conv2", "conv3")


class StyleMissing(VisionError):
    """A picture has no style to take on."""


# --- which groups -----------------------------------------------------------------------------


def ordered(clustering: Clustering, choice: str) -> list[StyleCluster]:
    """The chosen groups, best first by the recipe's measure."""
    groups = list(clustering.clusters.filter(chosen=True))
    if choice == ClusterChoice.LARGEST:
        groups.sort(key=lambda group: (-group.size, group.rank))
    elif choice == ClusterChoice.COHESIVE:
        groups.sort(key=lambda group: (-group.cohesion, group.rank))
    return groups


def blended(clustering: Clustering, recipe: Recipe) -> list[StyleCluster]:
    """The groups that the recipe makes one style of."""
    return ordered(clustering, recipe.cluster_choice)[: recipe.clusters]


def styles_wanted(clustering: Clustering, recipe: Recipe) -> list[list[StyleCluster]]:
    """The groups of each style that pictures of the recipe can ask for."""
    if recipe.cluster_choice == ClusterChoice.NEAREST:
        return [[group] for group in ordered(clustering, recipe.cluster_choice)]
    groups = blended(clustering, recipe)
    return [[group] for group in groups] if recipe.apart else [groups]


def styles_behind(clustering: Clustering, recipe: Recipe) -> list[list[StyleCluster]]:
    """The same for its backgrounds.

    Clusters kept apart are variants of the picture's word: behind it there is one style throughout.
    """
    if recipe.cluster_choice == ClusterChoice.NEAREST:
        return styles_wanted(clustering, recipe)
    return [blended(clustering, recipe)]


def groups_for(
    clustering: Clustering, recipe: Recipe, variant: int, content: ContentImage
) -> list[StyleCluster]:
    """The groups that one picture takes its style from.

    Raises:
        StyleMissing: the word has fewer clusters than the variant asks for.
    """
    wanted = styles_wanted(clustering, recipe)
    if recipe.cluster_choice == ClusterChoice.NEAREST:
        return [nearest(content, [group for (group,) in wanted], recipe.encoder)]
    if not recipe.apart:
        return wanted[0]
    if not 1 <= variant <= len(wanted):
        raise StyleMissing(f"Cluster {variant} was asked for; the word has {len(wanted)}.")
    return wanted[variant - 1]


def background_groups(picture: StylizedImage) -> list[StyleCluster]:
    """The groups that a picture's background takes its style from; none without such a recipe."""
    clustering, recipe = picture.background_clustering, picture.recipe
    if clustering is None:
        return []
    if recipe.cluster_choice == ClusterChoice.NEAREST:
        return groups_for(clustering, recipe, 0, picture.content)
    return blended(clustering, recipe)


def nearest(
    content: ContentImage, groups: Sequence[StyleCluster], encoder_name: str
) -> StyleCluster:
    """The group whose photographs are nearest to the content in color and local structure.

    The first study's own wish. Distance = ‖difference of mean colors‖ / √3 (from black to white: 1)
    + (1 − cosine of the style vectors of the first three blocks), the mean over a group's members.
    """
    image = features.open_photograph(content)
    color, local = _look(image, features.embedding_of(content, encoder_name))

    def distance(group: StyleCluster) -> float:
        parts = []
        for member in group.members.select_related("image"):
            photograph = features.open_photograph(member.image)
            embedding = features.embedding_of(member.image, encoder_name)
            other_color, other_local = _look(photograph, embedding)
            away = float(np.linalg.norm(color - other_color)) / 3**0.5
            parts.append(away + 1.0 - float(local @ other_local))
        return float(np.mean(parts))

    return min(groups, key=lambda group: (distance(group), group.rank))


def _look(image: Image.Image, embedding: Embedding) -> tuple[Any, Any]:
    """Mean color (3,) and the unit style vector of the shallow layers."""
    layers = [layer for layer in embedding.nsv if layer.startswith(LOCAL_BLOCKS)]
    return (
        color_moments(to_array(center_square(image, 64))).mean,
        join_style_vectors([embedding.nsv[layer] for layer in layers]),
    )


def mask_for(
    recipe: Recipe, content: ContentImage, mask: Mask | None = None
) -> tuple[Image.Image | None, dict[str, Any]]:
    """The content's mask (mode L), and how it was made; none for recipes of the whole picture.

    Args:
        mask: the one that the picture was planned with; None: the newest.

    Raises:
        StyleMissing: the content has none, or it cannot be read.
    """
    if not recipe.needs_mask:
        return None, {}
    mask = mask or content.mask
    if mask is None:
        raise StyleMissing(content.no_mask())
    try:
        with mask.file.open("rb") as stream:
            image = read_image(stream.read()).image.convert("L")
    except (ImageRefused, OSError) as error:
        raise StyleMissing(
            _("The mask of %(content)s cannot be read: %(why)s Make it again on its page.")
            % {"content": content, "why": error}
        ) from error
    made = {"kind": mask.kind, "box": mask.box, "params": mask.params}
    return image, {
        **{name: value for name, value in made.items() if value is not None},
        "file": mask.file.name,
        "sha256": pixel_sha256(image),
    }


# --- representation and texture -----------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """What a style is made of: the photographs of each cluster, and how much each cluster counts.

    Attributes:
        clusters: at least one, each of at least one photograph.
        shares: one a cluster; their sum is 1.
    """

    clusters: tuple[tuple[SourceImage, ...], ...]
    shares: tuple[float, ...]

    @property
    def photographs(self) -> list[SourceImage]:
        return [image for images in self.clusters for image in images]

    @property
    def weights(self) -> tuple[float, ...]:
        """One a photograph: a cluster's share is divided among its photographs."""
        return tuple(
            share / len(images)
            for images, share in zip(self.clusters, self.shares, strict=True)
            for _image in images
        )


def source_of(recipe: Recipe, groups: Sequence[StyleCluster]) -> Source:
    """The photographs that the recipe takes the style of these groups from."""
    clusters = []
    for group in groups:
        members = group.members.select_related("image")
        if recipe.members == Members.MEDOID:
            members = members.filter(is_medoid=True)
        clusters.append(tuple(member.image for member in members))
    return Source(tuple(clusters), recipe.shares([group.size for group in groups]))


def style_of(source: Source, params: TransferParams) -> StyleRepresentation:
    """The stored representation of photographs, computed if it is not there or cannot be read.

    Clusters are immutable, so the file is named by what it was made of.

    Raises:
        DamagedPhotograph: a member cannot be read.
    """
    path = _path(params, source)
    kept = features.stored(path, StyleRepresentation.from_arrays)
    if kept is not None:
        return kept
    network = features.encoder(params.encoder, params.pooling)
    parts = [
        represent(
            network,
            [features.open_photograph(image) for image in images],
            params.style_layers,
            size=params.size,
            statistic=params.statistic,
        )
        for images in source.clusters
    ]
    style = blend(parts, source.shares)
    features.store(path, style.to_arrays())
    return style


def _path(params: TransferParams, source: Source) -> Path:
    """Named by everything that the representation depends on."""
    made_of = {
        "pooling": params.pooling,
        "layers": params.style_layers,
        "size": params.size,
        "statistic": params.statistic,
        "members": [[image.sha256 for image in images] for images in source.clusters],
        "shares": source.shares,
    }
    digest = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()
    folder = Path(settings.FEATURES_ROOT) / params.encoder / f"styles-v{STYLE_FORMAT}"
    return folder / f"{digest}.npz"


def photographs_of(source: Source, size: int) -> tuple[Image.Image, ...]:
    """The photographs as squares of the picture's size; kept for the next content."""
    return _photographs(tuple(image.pk for image in source.photographs), size)


# Two: a picture may have a style in front and another behind.
@lru_cache(maxsize=2)
def _photographs(images: tuple[int, ...], size: int) -> tuple[Image.Image, ...]:
    found = SourceImage.objects.in_bulk(images)
    return tuple(center_square(features.open_photograph(found[pk]), size) for pk in images)


def style_row(
    clustering: Clustering,
    recipe: Recipe,
    groups: Sequence[StyleCluster],
    on_step: Callable[[int], None] | None = None,
    *,
    single_content: bool = False,
) -> Style:
    """The row of a style with its texture, if pictures start from one; made if it is not there.

    Args:
        on_step: called with the number of the texture's evaluations done so far.
        single_content: as for `Recipe.transfer_params`.

    Raises:
        StyleMissing: the clustering is of another encoder than the recipe.
    """
    if clustering.encoder != recipe.encoder:
        raise StyleMissing(
            f"The photographs were grouped with {clustering.encoder}, the recipe asks for "
            f"{recipe.encoder}. Add a new recipe to the set and make the pictures again."
        )
    began = time.monotonic()
    params = recipe.transfer_params(single_content=single_content)
    ranks = Style.join_ranks(group.rank for group in groups)
    row = Style.objects.filter(clustering=clustering, recipe=recipe, ranks=ranks).first()
    needs_texture = params.initial == "texture"
    if row is not None and not (needs_texture and not _there(row)):
        return row
    source = source_of(recipe, groups)
    style = style_of(source, params)
    values: dict[str, Any] = {"members": style.members, "dispersion": dict(style.dispersion)}
    if needs_texture:
        texture = synthesize(
            features.encoder(params.encoder, params.pooling),
            style,
            photographs_of(source, params.size),
            params,
            photograph_weights=source.weights,
            seed=_texture_seed(recipe, clustering, ranks),
            on_step=lambda step: on_step(step.number) if on_step is not None else None,
        )
        values["sha256"] = pixel_sha256(texture)
        values["file"] = ContentFile(encode_png(texture), name=f"{values['sha256'][:20]}.png")
    values["seconds"] = round(time.monotonic() - began, 2)
    return Style.objects.update_or_create(
        clustering=clustering, recipe=recipe, ranks=ranks, defaults=values
    )[0]


def _there(row: Style) -> bool:
    return bool(row.file) and row.file.storage.exists(str(row.file.name))


def _texture_seed(recipe: Recipe, clustering: Clustering, ranks: str) -> int:
    text = f"{recipe.seed}\n{clustering.word.text}\n{clustering.fingerprint}\n{ranks}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def styling(
    clustering: Clustering,
    recipe: Recipe,
    groups: Sequence[StyleCluster],
    *,
    single_content: bool = False,
) -> Styling:
    """Everything of a style that a picture needs.

    Args:
        single_content: as for `Recipe.transfer_params`.

    Raises:
        StyleMissing, DamagedPhotograph: as their names say.
    """
    params = recipe.transfer_params(single_content=single_content)
    row = style_row(clustering, recipe, groups, single_content=single_content)
    texture = None
    if params.initial == "texture":
        with row.file.open("rb") as stream:
            texture = read_image(stream.read()).image
    source = source_of(recipe, groups)
    return Styling(
        photographs_of(source, params.size),
        weights=source.weights,
        representation=style_of(source, params),
        texture=texture,
    )
