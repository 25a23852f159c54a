"""A study's own texts, in the page's language, and the standard ones where it has none."""

import hashlib

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils.translation import get_language, gettext

from survey.models import ConsentText, Study, StudyText


def language() -> str:
    """The page's language as studies store it, e.g. ja or en."""
    return (get_language() or "ja").split("-")[0]


def text_of(study: Study) -> StudyText:
    """The study's own text in the page's language; empty where it has none."""
    text = study.texts.filter(language=language()).first()
    return text or StudyText(study=study, language=language())


def consent_source(study: Study) -> str:
    """What somebody agrees to by taking part, in Markdown: the study's own text or the standard one."""
    return text_of(study).consent.strip() or gettext(
        "Taking part is voluntary, and you may stop at any time by closing the page, or withdraw and have "
        "your answers deleted. We store your answers, when and how you gave them (response time, size of "
        "the window, kind of input) and the language of the page. We do not store your name or your "
        "network address. The answers are used for research only, and may be published in a form that "
        "nobody can be recognised from."
    )


def digest(text: str) -> str:
    """Names a text word for word."""
    return hashlib.sha256(text.encode()).hexdigest()


def consent_shown(study: Study) -> ConsentText:
    """The version of the consent text that is shown now; a new one where the text was never shown."""
    text = consent_source(study)
    found = ConsentText.objects.filter(study=study, language=language(), sha256=digest(text))
    for _attempt in range(5):
        known = found.first()
        if known is not None:
            return known
        last = ConsentText.objects.filter(study=study, language=language()).aggregate(
            last=Max("version")
        )["last"]
        try:
            with transaction.atomic():
                return ConsentText.objects.create(
                    study=study, language=language(), text=text, version=(last or 0) + 1
                )
        except IntegrityError:
            # Somebody else joined with the same new text, or a newer one, at the same moment.
            continue
    raise RuntimeError("The consent text's version could not be stored in five attempts.")
