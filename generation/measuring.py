"""What is stored with a picture about its style and its content, for analyses that never see photographs."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from django.utils.translation import gettext as _

from generation import features, styles
from generation.models import ContentImage, Recipe, SourceImage, State, StyleCluster, StylizedImage
from generation.vision.errors import VisionError
from generation.vision.style import Float32, mean_style_vector, style_distance


class NotMeasurable(VisionError):
    """A picture does not say what it was made of."""


def distance_of(recipe: Recipe, groups: Sequence[StyleCluster], content: ContentImage) -> float:
    """Cosine distance of the Neural Style Vectors of a content photograph and of a style.

    The style's is that of the mean of the photographs which the recipe takes from these groups, with the recipe's weights
    (`mean_style_vector`); of the whole content photograph, whatever its region. Features that are stored are read.

    Raises:
        DamagedPhotograph: one has no stored features and cannot be read.
    """
    source = styles.source_of(recipe, groups)
    images = tuple(image.pk for image in source.photographs)
    style = _style_vector(images, source.weights, recipe.encoder)
    return style_distance(features.embedding_of(content, recipe.encoder), style)


# Contents of a word follow one another, each with the same style.
@lru_cache(maxsize=2)
def _style_vector(
    images: tuple[int, ...], weights: tuple[float, ...], encoder_name: str
) -> Float32:
    found = SourceImage.objects.in_bulk(images)
    return mean_style_vector(
        [features.embedding_of(found[pk], encoder_name) for pk in images], weights
    )


def measure_missing(
    pictures: Sequence[StylizedImage], on_step: Callable[[int], None]
) -> Iterator[tuple[StylizedImage, VisionError]]:
    """Store the style distance of finished pictures that have none; yields those that cannot be measured, and why.

    Each is stored at once, and only if the picture is still the same file: it can be stopped anywhere and run twice.

    Args:
        on_step: called with the number of pictures looked at.
    """
    for number, picture in enumerate(pictures, start=1):
        try:
            distance = distance_of(picture.recipe, _groups(picture), picture.content)
        except VisionError as error:
            yield picture, error
        else:
            StylizedImage.objects.filter(
                pk=picture.pk, state=State.DONE, sha256=picture.sha256, style_distance=None
            ).update(style_distance=distance)
        on_step(number)


def _groups(picture: StylizedImage) -> list[StyleCluster]:
    """The clusters that the picture's parameters name, in their order."""
    ranks = (picture.params or {}).get("clusters", [])
    found = (
        {group.rank: group for group in picture.clustering.clusters.filter(rank__in=ranks)}
        if picture.clustering is not None
        else {}
    )
    if not ranks or set(ranks) != set(found):
        raise NotMeasurable(
            _("%(picture)s does not say which clusters it was made of. Make it again.")
            % {"picture": picture}
        )
    return [found[rank] for rank in ranks]
