"""``{% load study_text %}``: a study's own texts in templates."""

from django import template
from django.template.defaultfilters import stringfilter
from django.utils.safestring import SafeString

from survey.markdown import TOP, render, render_line

register = template.Library()


@register.filter
@stringfilter
def markdown(text: str, top: int = TOP) -> SafeString:
    """``{{ text|markdown }}``; ``{{ text|markdown:2 }}`` where the text stands right below the h1."""
    return render(text, top)


@register.filter
@stringfilter
def markdown_line(text: str) -> SafeString:
    """``{{ text|markdown_line }}``: emphasis and links within a sentence."""
    return render_line(text)
