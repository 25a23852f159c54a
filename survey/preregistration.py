"""Preregistration of a study from its settings, in Markdown.

The headings answer the questions of AsPredicted (Simmons, Nelson and Simonsohn) in the order of the OSF's
template (Bowman et al. 2020, "OSF Prereg Template"): what was collected, hypotheses, design, measures, sample
size, exclusions, analyses, the rest. What a study does not say stands there as "[to be decided: …]".
"""

import re
from collections.abc import Iterable
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from survey import about
from survey.models import Entrance, Order, Study
from survey.planning import Asked, asked_of, decimal, percent, probability
from survey.texts import language, text_of

MARKUP = re.compile(r"([\\`*_\[\]<>#|~])")


def preregistration(study: Study, numbers: dict[str, Any] | None = None) -> str:
    """The whole text in the active language.

    Args:
        study: best a draft; what was answered already is said.
        numbers: of `planning.plan_numbers`, for the sample size; None: that is to be decided.
    """
    asked = asked_of(study)
    title = text_of(study).title or study.title
    parts = [
        "# " + _("Preregistration: %(title)s") % {"title": plain(title)},
        undecided(_("authors, affiliations and date")),
        *_section(_("Data collection so far"), [_collected(study)]),
        *_section(_("Question and hypotheses"), _hypotheses(study, asked)),
        *_section(_("Design"), [*_stimuli(study, asked), *_task(study, asked), *_around(study)]),
        *_section(_("How it is shown"), _shown(study)),
        *_section(_("Measures"), _measures(study)),
        *_section(_("Participants, sample size and stopping rule"), _sample(study, numbers)),
        *_section(_("Exclusion"), _exclusion(study)),
        *_section(_("Confirmatory analyses"), _confirmatory(study, numbers)),
        *_section(_("Secondary and exploratory analyses"), _secondary(study)),
        *_section(_("Anything else"), _else()),
    ]
    return "\n\n".join(parts) + "\n"


def plain(text: str) -> str:
    """A text of the study's as Markdown shows it letter for letter, on one line."""
    return MARKUP.sub(r"\\\1", " ".join(text.split()))


def undecided(what: str) -> str:
    return _("[to be decided: %(what)s]") % {"what": what}


def _section(heading: str, lines: Iterable[str]) -> list[str]:
    return ["## " + heading, "\n".join(f"- {line}" for line in lines)]


def _names(names: Iterable[str]) -> str:
    return _(", ").join(plain(name) for name in names)


# --- what was collected, and what is expected -------------------------------------------------------


def _collected(study: Study) -> str:
    n = study.participations.real().count()
    if not n:
        return _("No data have been collected for this study.")
    return ngettext(
        "%(n)d person has begun this study already; data exist.",
        "%(n)d people have begun this study already; data exist.",
        n,
    ) % {"n": n}


def _hypotheses(study: Study, asked: Asked) -> list[str]:
    lines = [
        _(
            "Question: which of the %(words)d words can people recognise in pictures whose style was made "
            "from photographs of the word, and on which objects?"
        )
        % {"words": asked.words}
    ]
    if asked.directions:
        lines += [
            _(
                "For each word, one-sided: the share of right answers is above chance (%(chance)s). "
                "Null hypothesis: it is that of guessing."
            )
            % {"chance": percent(1 / asked.options) if asked.options else _("1/m")},
            _(
                "For each picture, one-sided: it is chosen more often when it is the right option than when "
                "it is a wrong one. A picture that is merely striking does not fulfil this."
            ),
        ]
    lines.append(
        undecided(_("hypotheses about single words, objects or recipes, with their direction"))
    )
    return lines


# --- design -----------------------------------------------------------------------------------------


def _stimuli(study: Study, asked: Asked) -> list[str]:
    made = study.stimulus_set
    words = list(made.words.order_by("pk").values_list("text", flat=True))
    contents = list(made.contents.order_by("pk").values_list("name", flat=True))
    lines = [
        _("Words (%(n)d): %(names)s.") % {"n": len(words), "names": _names(words)}
        if words
        else undecided(_("words")),
        _("Content photographs (%(n)d): %(names)s.")
        % {"n": len(contents), "names": _names(contents)}
        if contents
        else undecided(_("content photographs")),
    ]
    recipes = [
        _("%(name)s (preset %(preset)s, encoder %(encoder)s, seed %(seed)d)")
        % {"name": r.name, "preset": r.preset, "encoder": r.encoder, "seed": r.seed}
        for r in made.recipes.order_by("pk")
    ]
    lines.append(
        _("Recipes of neural style transfer (%(n)d): %(names)s.")
        % {"n": len(recipes), "names": _names(recipes)}
        if recipes
        else undecided(_("recipe"))
    )
    lines.append(
        _("Pictures: %(n)d, of the set “%(set)s”.") % {"n": asked.pictures, "set": plain(made.name)}
        if asked.pictures
        else undecided(_("pictures"))
    )
    return lines


def _task(study: Study, asked: Asked) -> list[str]:
    lines = []
    if study.ask_picture:
        lines.append(
            _("Word → picture: which of the pictures fits the word? One question a picture.")
        )
    if study.ask_word:
        lines.append(
            _("Picture → word: which of the words fits the picture? One question a picture.")
        )
    if asked.directions:
        lines += _choices(study, asked)
    if study.ask_rating:
        lines.append(
            _(
                "After all other questions, a rating of how well word and object go together, one a word and "
                "object, on %(points)d points."
            )
            % {"points": study.rating_points}
        )
    return lines


def _choices(study: Study, asked: Asked) -> list[str]:
    lines = [
        _(
            "Each question has %(m)d options (m-alternative forced choice), all of one content photograph and "
            "recipe, never two of one word; chance is %(chance)s."
        )
        % {"m": asked.options, "chance": percent(1 / asked.options)}
        if asked.options
        else undecided(_("number of options")),
        _(
            "Wrong options are drawn anew for each participant, so that every picture is shown once as right and "
            "equally often as wrong option of its content; the slots of the right option are balanced."
        ),
        _("“Not sure” can be chosen, and counts as wrong.")
        if study.not_sure
        else _("An answer must be chosen; there is no “not sure”."),
    ]
    total = asked.pictures * asked.directions
    if asked.questions < total:
        lines.append(
            _(
                "All factors are within participants. Each participant gets %(n)d of the %(all)d questions: those "
                "that the fewest have answered."
            )
            % {"n": asked.questions, "all": total}
        )
    else:
        lines.append(
            _("All factors are within participants: each one gets all %(all)d questions.")
            % {"all": total}
        )
    lines.append(
        _("Order: Latin square over participants.")
        if study.order == Order.LATIN
        else _(
            "Order: shuffled for each participant, no object or shown word twice running if possible."
        )
    )
    return lines


def _around(study: Study) -> list[str]:
    counts = (
        (
            study.practice,
            _("Practice questions, from other pictures, with the right answer shown: %(n)d."),
        ),
        (study.repeats, _("Questions asked twice, far apart, with other slots: %(n)d.")),
        (study.gold, _("Obvious questions, from other pictures, strewn among the others: %(n)d.")),
        (study.attention, _("Attention checks (“please choose picture 3”): %(n)d.")),
        (study.break_every, _("A break is offered after every %(n)d questions.")),
    )
    lines = [text % {"n": n} for n, text in counts if n]
    if not any((study.practice, study.repeats, study.gold, study.attention)):
        lines.append(_("No practice, repeated or obvious questions, and no attention checks."))
    return lines


def _shown(study: Study) -> list[str]:
    lines = [
        _("Words are shown: %(how)s.") % {"how": study.get_word_display_display()},
        _("Pictures are shown at %(px)d CSS px, smaller where the screen is.")
        % {"px": study.display_px},
        _("They can be enlarged.") if study.enlarge else _("They cannot be enlarged."),
        _("One tap answers.")
        if study.one_tap
        else _("A choice is confirmed before the next question; it can be changed until then."),
    ]
    lines.append(
        _("Language: %(language)s.") % {"language": study.get_language_display()}
        if study.language
        else _("Language: the participant's, Japanese or English.")
    )
    return lines


def _measures(study: Study) -> list[str]:
    lines = []
    if study.ask_picture or study.ask_word:
        lines += [
            _(
                "Main measure: right or wrong, for the first presentation of each main question. A word's "
                "accuracy is its right answers over all its answers. Practice, repeats, obvious questions and "
                "attention checks do not count."
            ),
            _("Secondary: response time, from all pictures being painted to the confirmed choice."),
        ]
    if study.ask_rating:
        lines.append(_("Rated suitability of word and object."))
    fields = about.parse(study.demographics)
    if fields:
        lines.append(
            _("Asked about the participant: %(names)s.") % {"names": _names(map(_label, fields))}
        )
    if study.ask_comment:
        lines.append(_("A comment in the participant's own words, at the end."))
    return lines


def _label(field: about.Field) -> str:
    return field.label[about.best_language(field.label, language())]


# --- sample -----------------------------------------------------------------------------------------


def _sample(study: Study, numbers: dict[str, Any] | None) -> list[str]:
    entrance = _("Participants join by %(how)s.") % {"how": study.get_entrance_display()}
    if study.entrance == Entrance.OPEN:
        entrance += " " + undecided(_("where the address is given out"))
    lines = [entrance]
    screens = [
        _label(field)
        for field in about.parse(study.demographics)
        if any(choice.screen_out for choice in field.choices)
    ]
    if screens:
        lines.append(
            _("Who may take part depends on the answers to: %(names)s.")
            % {"names": _names(screens)}
        )
    lines.append(
        _(
            "Sample size: %(n)d participants. Nobody new is let in once so many have finished or are at it."
        )
        % {"n": study.quota}
        if study.quota
        else undecided(_("sample size"))
    )
    if study.closes_at:
        closes = timezone.localtime(study.closes_at).strftime("%Y-%m-%d %H:%M %Z")
        lines.append(_("Collection ends at the latest on %(date)s.") % {"date": closes})
    elif not study.quota:
        lines.append(undecided(_("when collection ends")))
    lines.append(
        _(
            "The number of participants does not depend on results: nobody stops or goes on because of them."
        )
    )
    if study.ask_picture or study.ask_word:
        lines += (
            _power(study, numbers)
            if numbers
            else [undecided(_("smallest accuracy worth finding, and power"))]
        )
    return lines


def _power(study: Study, numbers: dict[str, Any]) -> list[str]:
    lines = [
        _(
            "Power: with %(n)d participants and %(each)s answers of each about a word, a word of true accuracy "
            "%(accuracy)s is found with probability %(power)s (exact binomial test at level %(alpha)s / %(words)d, "
            "design effect %(effect)s, thus %(effective)d effective answers). The interval of its accuracy will be "
            "about ± %(half)s points wide."
        )
        % {
            "n": numbers["raters"],
            "each": decimal(numbers["answers_each"]),
            "accuracy": percent(numbers["accuracy"]),
            "power": probability(numbers["power"]),
            "alpha": f"{numbers['alpha']:g}".lstrip("0"),
            "words": numbers["words"],
            "effect": decimal(numbers["design_effect"]),
            "effective": numbers["effective_answers"],
            "half": f"{100 * numbers['half_width']:.0f}",
        }
    ]
    if study.quota and study.quota != numbers["raters"]:
        lines.append(
            undecided(
                _("this power is for %(n)d participants, the study lets in %(quota)d")
                % {"n": numbers["raters"], "quota": study.quota}
            )
        )
    return lines


def _exclusion(study: Study) -> list[str]:
    lines = [
        _(
            "Left out of all analyses: simulated raters, and who has withdrawn and had the answers deleted."
        ),
    ]
    # Loaded here: it needs numpy.
    from survey.stats.exclusion import describe, parse

    rules = parse(study.exclusions)
    if rules:
        lines += [describe(rule, _) for rule in rules]
        lines.append(
            _("All numbers are reported with and without those who are left out by these rules.")
        )
    else:
        lines.append(
            undecided(_("rules by which participants are left out, or that there are none"))
        )
    return lines


# --- analyses ---------------------------------------------------------------------------------------


def _confirmatory(study: Study, numbers: dict[str, Any] | None) -> list[str]:
    if not (study.ask_picture or study.ask_word):
        return [undecided(_("analysis of the ratings"))]
    alpha = f"{numbers['alpha']:g}".lstrip("0") if numbers else ".05"
    lines = [
        _(
            "Accuracy of each word with an interval that respects that one rater's answers go together: Wilson's "
            "with the effective number of answers under 30 raters, a bootstrap over raters from 30."
        ),
        _(
            "Each word against chance: exact one-sided binomial test with each trial's own number of options, "
            "corrected over all words by Holm. A word is recognised if its corrected p is at most %(alpha)s."
        )
        % {"alpha": alpha},
        _(
            "Each picture: how often it was chosen when it was the right option against when it was a wrong one, "
            "corrected by Holm; and the same as a conditional logit with a salience term for each picture."
        ),
    ]
    if study.ask_picture and study.ask_word:
        lines.append(
            _("For picture → word questions the same with words in the place of pictures.")
        )
    return lines


def _secondary(study: Study) -> list[str]:
    lines = []
    if study.ask_picture or study.ask_word:
        lines += [
            _("Objects within a word: Cochran's Q, corrected by Holm."),
            _(
                "Crossed logistic mixed model: correct ~ 1 + (1 | rater) + (1 | word) + (1 | question); "
                "likelihood-ratio tests of each variance, p halved at the boundary."
            ),
            _(
                "Rank correlation of accuracy with the distance between style and object, how different the "
                "style's photographs are, and the losses reached."
            ),
            _(
                "Confusions of words (chosen over offered), position bias, learning over trials, response times."
            ),
            _(
                "Agreement of raters: Randolph's kappa, Fleiss' kappa, Krippendorff's alpha, Gwet's AC1."
            ),
        ]
    if study.ask_rating:
        lines.append(
            _("Rank correlation of accuracy with the rated suitability of word and object.")
        )
    if study.repeats:
        lines.append(_("Share of repeated questions that were answered alike."))
    lines.append(_("These are reported as exploratory unless a hypothesis above names them."))
    return lines


def _else() -> list[str]:
    return [
        _(
            "Data, pictures with their seeds and parameters, and a script that computes every number of the report "
            "from the data are exported with the study."
        ),
        undecided(_("ethics approval, payment, anything else a reader should know")),
    ]
