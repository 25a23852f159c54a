"""Naming a study on the command line."""

from django.core.management.base import CommandError

from survey.models import Study


def study_named(slug: str) -> Study:
    """The study with that address.

    Raises:
        CommandError: there is none; says which there are.
    """
    study = Study.objects.filter(slug=slug).first()
    if study is None:
        known = ", ".join(Study.objects.order_by("slug").values_list("slug", flat=True))
        raise CommandError(
            f"There is no study {slug!r}. Studies: {known or 'none yet'}."
            " Give the slug, the last part of a study's address."
        )
    return study
