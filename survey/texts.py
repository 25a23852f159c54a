"""A study's own texts, in the page's language."""

from django.utils.translation import get_language

from survey.models import Study, StudyText


def language() -> str:
    """The page's language as studies store it: ja or en."""
    return (get_language() or "ja").split("-")[0]


def text_of(study: Study) -> StudyText:
    """The study's own text in the page's language; empty where it has none."""
    text = study.texts.filter(language=language()).first()
    return text or StudyText(study=study, language=language())
