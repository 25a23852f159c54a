"""Every column of an export: what it means, its unit, its values. The codebook and dataset_description.json say it from here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from survey import about
from survey.stats.bundle import SEPARATOR
from survey.stats.quality import FLAGS

INTEGER, NUMBER, TEXT, TRUTH, JSON = "integer", "number", "text", "truth", "JSON"


@dataclass(frozen=True)
class Column:
    """``levels``: each value that there is, and what it says. ``empty``: what an empty cell says, if there are any."""

    name: str
    kind: str
    description: str
    unit: str = ""
    levels: Mapping[str, str] = field(default_factory=dict)
    empty: str = ""

    def variable(self) -> dict[str, Any]:
        """As schema.org's PropertyValue, which Psych-DS asks for."""
        said = " ".join(
            part for part in (self.description, self.empty and f"Empty: {self.empty}.") if part
        )
        variable: dict[str, Any] = {
            "@type": "PropertyValue",
            "name": self.name,
            "description": said,
        }
        if self.unit:
            variable["unitText"] = self.unit
        levels = self.levels or ({"true": "yes", "false": "no"} if self.kind == TRUTH else {})
        if levels:
            variable["valueReference"] = [
                {"@type": "PropertyValue", "value": value, "description": meaning}
                for value, meaning in levels.items()
            ]
        return variable


SLOTS = "counted from 0: left to right, then top to bottom"
ROLES = {
    "practice": "practice with the right answer shown; no part of any number",
    "main": "first presentation of a question of the study; accuracy is made of these",
    "repeat": "the same question again, with its options in other places",
    "gold": "an obvious question with pictures of a set of its own",
    "attention": "attention check: the participant is told which slot to choose",
}
KINDS = {
    "picture": "the word is shown; choose the picture",
    "word": "the picture is shown; choose the word",
    "rating": "rate how well word and object go together",
}

_SHARED = (
    Column("row_id", INTEGER, "Number of the row in its file, from 1."),
    Column(
        "participant",
        TEXT,
        "Pseudonym: a keyed hash. It stands for one person's participation in this study and cannot be traced to an "
        "address or an account.",
    ),
    Column("question", INTEGER, "Number of the question: one picture asked about in one way."),
    Column(
        "stimulus",
        INTEGER,
        "Number of a picture: in the table of stimuli the row's own, in the table of questions the one that is asked about "
        "(of a rating: one that stands for its word and content).",
    ),
    Column("word", TEXT, "The word: in trials and questions the one that is right."),
    Column("content", TEXT, "The photograph that was restyled."),
    Column("recipe", TEXT, "How the picture was made; parameters are in materials/stimuli.json."),
    Column(
        "variant",
        INTEGER,
        "0: the styles of several groups of photographs were blended; else the rank of the one group.",
    ),
    Column("kind", TEXT, "What the question asks for.", levels=KINDS),
)

_TRIALS = (
    Column(
        "position",
        INTEGER,
        "Place among the participant's trials, in the order shown; unanswered trials are counted and have no row.",
    ),
    Column("role", TEXT, "What the trial is for.", levels=ROLES),
    Column(
        "options",
        TEXT,
        f"Stimuli offered, in the order shown, with {SEPARATOR} between them. Where words are chosen, each "
        "stands for its word.",
        empty="a rating",
    ),
    Column(
        "target",
        INTEGER,
        f"Slot of the right option, {SLOTS}; of an attention check the slot that was named.",
        empty="a rating",
    ),
    Column(
        "chosen",
        INTEGER,
        f"Slot that was chosen, {SLOTS}; of a rating the point of the scale, from 0 (lowest).",
        empty="“not sure”",
    ),
    Column(
        "chosen_stimulus", INTEGER, "The stimulus in that slot.", empty="“not sure”, or a rating"
    ),
    Column(
        "correct",
        TRUTH,
        "The right slot was chosen; “not sure” is not correct.",
        empty="a rating",
    ),
    Column(
        "response_ms",
        NUMBER,
        "Time from onset to the confirmed choice, measured in the page.",
        unit="ms",
        empty="not measured",
    ),
    Column(
        "chosen_ms", NUMBER, "Time from onset to the last choice.", unit="ms", empty="not measured"
    ),
    Column(
        "onset",
        TEXT,
        "From which moment times count.",
        levels={
            "painted": "all pictures were decoded and painted",
            "loaded": "all pictures were loaded",
            "hidden": "the page was in the background when the pictures were painted",
        },
        empty="not measured",
    ),
    Column(
        "input",
        TEXT,
        "What the choice was made with.",
        levels={"mouse": "mouse", "touch": "touch", "pen": "pen", "key": "keyboard"},
        empty="not known",
    ),
    Column("focus_losses", INTEGER, "How often the page lost focus during the trial."),
    Column("showings", INTEGER, "How often the trial was shown, reloads included."),
    Column(
        "elapsed_ms",
        INTEGER,
        "When the answer came in: time since the participant's `started`, so that it orders trials and keeps their "
        "distances. Where `started` is a day, the clock begins at its midnight, whenever the person did.",
        unit="ms",
    ),
)

_PARTICIPANTS = (
    Column("language", TEXT, "Language of the pages (BCP 47)."),
    Column(
        "word_display",
        TEXT,
        "What was shown with a word.",
        levels={
            "written": "the word as written",
            "reading": "with its reading",
            "gloss": "with its English gloss",
            "both": "with reading and gloss",
        },
    ),
    Column("simulated", TRUTH, "A program that answered at random with a known skill."),
    Column("finished", TRUTH, "All trials were answered."),
    Column(
        "status",
        TEXT,
        "How the participation ended.",
        levels={
            "finished": "all trials were answered",
            "unfinished": "neither finished nor ended in another way",
            "screened_out": "the study was not for this person",
            "withdrawn": "left the study, and let the answers given so far be used",
        },
    ),
    Column(
        "started",
        TEXT,
        "Day (UTC) on which the participant agreed to take part; with --times exact the moment.",
    ),
    Column("answers", INTEGER, "Number of rows of the participant among the trials."),
    Column(
        "flags",
        TEXT,
        "What stood out in the answers, codes with a space between them: "
        + " ".join(f"{code}: {said}" for code, said in FLAGS.items())
        + " Nobody is left out for a flag alone.",
        empty="nothing",
    ),
    Column(
        "signals",
        JSON,
        "The numbers behind the flags: as they were at the end, or of the answers so far.",
        empty="answered nothing",
    ),
    Column(
        "excluded", JSON, "Why the study's own rules leave the participant out: a list of codes."
    ),
)

_STIMULI = (
    Column("word_id", INTEGER, "Number of the word: the order of words."),
    Column("reading", TEXT, "The word in Latin letters.", empty="none given"),
    Column("gloss", TEXT, "What the word means, in English.", empty="none given"),
    Column("content_id", INTEGER, "Number of the content: the order of contents."),
    Column("recipe_id", INTEGER, "Number of the recipe: the order of recipes."),
    Column("encoder", TEXT, "The network that styles were measured with.", empty="not stored"),
    Column("seed", INTEGER, "Seed of the picture's random numbers.", empty="not stored"),
    Column("evaluations", INTEGER, "Evaluations of loss and gradient that the optimization took."),
    Column(
        "style_loss", NUMBER, "Style loss reached, as the recipe weighs it.", empty="not stored"
    ),
    Column(
        "content_loss", NUMBER, "Content loss reached, as the recipe weighs it.", empty="not stored"
    ),
    Column(
        "style_distance",
        NUMBER,
        "Cosine distance of the Neural Style Vectors of the content photograph and of the style (0 to 2).",
        empty="not stored",
    ),
    Column(
        "dispersion",
        NUMBER,
        "How far the style's photographs are from their mean, Σ w‖G − Ḡ‖² / ‖Ḡ‖², summed over layers.",
        empty="not stored",
    ),
    Column(
        "source_correlation",
        NUMBER,
        "Highest correlation of the picture's high frequencies with those of any of its photographs.",
        empty="not stored",
    ),
    Column(
        "sha256", TEXT, "SHA-256 of the picture's pixels (RGB, row by row).", empty="not stored"
    ),
    Column("licenses", TEXT, "Licences of all photographs the picture was made from."),
    Column(
        "republish",
        TEXT,
        "Whether those licences let the picture be passed on.",
        levels={
            "yes": "every one of them does",
            "no": "one of them does not",
            "unknown": "of one of them it is not known, which counts as no",
        },
    ),
    Column("picture", TEXT, "The picture's file in this dataset.", empty="not in it"),
)

_QUESTIONS = (
    Column(
        "purpose",
        TEXT,
        "What the question is for.",
        levels={
            "main": "what the study asks",
            "practice": "practice",
            "gold": "an obvious question",
        },
    ),
)

_DESIGN = (
    Column("setting", TEXT, "Name of a setting of the study."),
    Column("value", JSON, "Its value."),
)

COLUMNS = {
    column.name: column
    for column in (*_SHARED, *_TRIALS, *_PARTICIPANTS, *_STIMULI, *_QUESTIONS, *_DESIGN)
}

TRIALS = (
    *("row_id", "participant", "position", "role", "question", "kind", "word", "content"),
    *("options", "target", "chosen", "chosen_stimulus", "correct", "response_ms", "chosen_ms"),
    *("onset", "input", "focus_losses", "showings", "elapsed_ms"),
)
PARTICIPANTS = (
    *("row_id", "participant", "language", "word_display", "simulated", "finished", "status"),
    *("started", "answers", "flags", "signals", "excluded"),
)
STIMULI = (
    *("row_id", "stimulus", "word_id", "word", "reading", "gloss", "content_id", "content"),
    *("recipe_id", "recipe", "variant", "encoder", "seed", "evaluations", "style_loss"),
    *("content_loss", "style_distance", "dispersion", "source_correlation", "sha256"),
    *("licenses", "republish", "picture"),
)
QUESTIONS = (
    *("row_id", "question", "kind", "purpose", "stimulus", "word", "content", "recipe", "variant"),
)
DESIGN = ("row_id", "setting", "value")

ABOUT = "about_"


def about_columns(fields: Iterable[about.Field]) -> list[Column]:
    """Of the form about the participant; only where they are asked for."""
    return [
        Column(
            ABOUT + field.name,
            JSON,
            f"What the participant said: {_in_english(field.label)}",
            levels={f'"{c.value}"': _in_english(c.label) for c in field.choices},
            empty="not answered",
        )
        for field in fields
    ]


def _in_english(texts: Mapping[str, str]) -> str:
    return texts.get("en") or next(iter(texts.values()))
