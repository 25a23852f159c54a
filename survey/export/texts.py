"""What an export says about itself in words."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from typing import Any

from generation.models import StylizedImage
from survey import tables
from survey.credits import Credit
from survey.export import columns
from survey.export.columns import Column
from survey.models import Study
from survey.stats.exclusion import describe, parse

PACKAGES = ("mixedlm", "numpy", "pandas", "scipy")
"""What analysis/ needs."""

LICENSES = {
    "CC0-1.0": ("CC0 1.0 Universal", "https://creativecommons.org/publicdomain/zero/1.0/"),
    "CC-BY-4.0": (
        "Creative Commons Attribution 4.0 International",
        "https://creativecommons.org/licenses/by/4.0/",
    ),
    "CC-BY-SA-4.0": (
        "Creative Commons Attribution-ShareAlike 4.0 International",
        "https://creativecommons.org/licenses/by-sa/4.0/",
    ),
    "CC-BY-NC-4.0": (
        "Creative Commons Attribution-NonCommercial 4.0 International",
        "https://creativecommons.org/licenses/by-nc/4.0/",
    ),
    "CC-BY-NC-SA-4.0": (
        "Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International",
        "https://creativecommons.org/licenses/by-nc-sa/4.0/",
    ),
}
"""SPDX identifier → name and address."""

TABLES = {
    "trials": "One row an answer.",
    "participants": "One row a participant, also those who answered nothing.",
    "stimuli": "One row a picture that was asked about or offered.",
    "questions": "One row a question.",
    "design": "One row a setting of the study.",
}


@dataclass(frozen=True)
class About:
    """What the texts are written from.

    ``headers``: table → its columns. ``counts``: table → its rows. ``left_out``: pictures (by id) that are not in the
    dataset, and why.
    """

    study: Study
    today: date
    times: str
    simulated: bool
    license: str
    headers: Mapping[str, Sequence[Column]]
    counts: Mapping[str, int]
    pictures: Sequence[StylizedImage]
    with_pictures: bool
    with_report: bool
    left_out: Mapping[int, str]
    credits: Sequence[Credit]
    answered: int
    finished: int
    languages: Mapping[str, int]

    @property
    def name(self) -> str:
        return f"{self.study.title}: answers and analysis"

    @property
    def description(self) -> str:
        words = len({row.word_id for row in self.pictures})
        return (
            f"Answers of {self.answered} participants to questions about {len(self.pictures)} pictures, made from "
            f"{words} words by restyling photographs. Participants chose the picture that looks like a word, "
            "or the word that a picture looks like, among several. With every answer, every picture's "
            "parameters, the design, and the analysis that computes each reported number again."
        )


def keyword(slug: str) -> str:
    """A study's short name as Psych-DS lets it stand in names of files: letters and digits only."""
    return "".join(sign for sign in slug if sign.isascii() and sign.isalnum()) or "study"


def data_file(study: Study, table: str) -> str:
    return f"data/study-{keyword(study.slug)}_table-{table}_data.csv"


# --- for programs -------------------------------------------------------------------------------


def dataset_description(about: About, sums: Mapping[str, str]) -> dict[str, Any]:
    """dataset_description.json: a Dataset of schema.org, as Psych-DS asks for.

    ``sums``: SHA-256 of the tables by path.
    """
    seen = {column.name: column for header in about.headers.values() for column in header}
    description: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "Dataset",
        "name": about.name,
        "description": about.description,
        "identifier": f"{about.study.slug}-{about.today.isoformat()}",
        "dateCreated": about.today.isoformat(),
        "keywords": ["perception", "forced choice", "texture", "neural style transfer", "words"],
        "measurementTechnique": "m-alternative forced choice",
        "privacyPolicy": (
            "No names, addresses, accounts, IP addresses or comments. Participants go by pseudonyms. "
            "See documentation/CODEBOOK.md."
        ),
        "variableMeasured": [column.variable() for column in seen.values()],
        "distribution": [
            {
                "@type": "DataDownload",
                "name": path.rpartition("/")[2],
                "description": TABLES[table],
                "contentUrl": path,
                "encodingFormat": "text/csv",
                "sha256": sums[path],
            }
            for table in TABLES
            if (path := data_file(about.study, table)) in sums
        ],
    }
    if about.license:
        description["license"] = LICENSES[about.license][1]
    if about.study.contact:
        description["author"] = [{"@type": "Organization", "name": about.study.contact}]
    return description


def citation(about: About) -> str:
    """CITATION.cff (Citation File Format 1.2.0). Texts are in JSON's quotes, which YAML reads."""
    author = about.study.contact or f"Researchers of the study {about.study.slug}"
    lines = [
        "cff-version: 1.2.0",
        "message: "
        + json.dumps(
            "If you use this dataset, please cite it. Put the authors' names here before you publish it."
        ),
        "type: dataset",
        f"title: {json.dumps(about.name, ensure_ascii=False)}",
        "authors:",
        f"  - name: {json.dumps(author, ensure_ascii=False)}",
        f"version: {json.dumps(about.today.isoformat())}",
        f"date-released: {about.today.isoformat()}",
    ]
    if about.license:
        lines.append(f"license: {about.license}")
    return "\n".join(lines) + "\n"


def requirements() -> str:
    """The versions that computed analysis/report.json."""
    return "".join(f"{name}=={version(name)}\n" for name in PACKAGES)


# --- for people ---------------------------------------------------------------------------------


def readme(about: About) -> str:
    simulated = (
        "Simulated raters are in it, marked in the column `simulated`."
        if about.simulated
        else "Simulated raters are left out."
    )
    return f"""# {about.study.title}

{about.description}

Made {about.today.isoformat()}. {simulated}

| Where | What |
|---|---|
| `data/` | the tables: {", ".join(TABLES)} |
| `documentation/CODEBOOK.md` | every column of every table |
| `documentation/METHODS.md` | how pictures were made and questions asked, with all parameters |
| `materials/stimuli.json` | every picture's parameters, and the photographs it was made from, by SHA-256 |
| `materials/pictures/` | {_pictures_line(about)} |
| `analysis/` | the program that computes every reported number from the tables, its requirements, its output |
| `results/` | figures, where any were drawn |
| `CREDITS.md`, `CREDITS.csv` | whose photographs the pictures were made from |
| `LICENSE` | under which terms the data are |
| `manifest-sha256.txt` | checksums: `sha256sum --check manifest-sha256.txt` |

The folder follows [Psych-DS](https://psych-ds.github.io/); `dataset_description.json` describes it for programs.

## Computing the numbers again

    python -m venv venv
    venv/bin/pip install -r analysis/requirements.txt
    venv/bin/python analysis/analyze.py --check

{_report_line(about)}

## Reading the tables

They are CSV (RFC 4180) in UTF-8. A text that begins like a formula (`=`, `+`, `-`, `@`, their full-width forms, a tab or a
line break) or with an apostrophe has an apostrophe in front, so that a spreadsheet opens it without harm: take
one apostrophe away from the beginning of a cell. `NA` may be a word, so nothing may be taken for missing but an
empty cell of a number. With pandas:

    table = pandas.read_csv(file, dtype=str, keep_default_na=False)
    table = table.map(lambda cell: cell.removeprefix("'"))

With Python alone, `analysis/survey/stats/csvfile.py` does it.
"""


def _report_line(about: About) -> str:
    if about.with_report:
        return (
            "`analysis/report.json` is its output with the versions of `analysis/requirements.txt`."
        )
    return (
        "It was not run when this dataset was made, so there is no `analysis/report.json` to check: without `--check` it prints "
        "the numbers."
    )


def _pictures_line(about: About) -> str:
    if not about.with_pictures:
        return "not in this export; they can be made again from `materials/stimuli.json`"
    if not about.left_out:
        return "the pictures, by their number"
    return f"the pictures, by their number; {len(about.left_out)} are left out (see `CREDITS.md`)"


def codebook(about: About) -> str:
    parts = [
        f"# Codebook: {about.study.title}\n",
        "Empty cells are explained with their column. Truth values are `true` and `false`, lists are JSON.\n",
        "Texts with an apostrophe in front: see README.md.\n",
        "## Privacy\n",
        _privacy(about),
    ]
    for table, header in about.headers.items():
        parts += [
            f"## {table}\n",
            f"{TABLES[table]} {about.counts[table]} rows. File: `{data_file(about.study, table)}`\n",
            "| Column | Kind | Unit | Meaning |",
            "|---|---|---|---|",
            *(_codebook_row(column) for column in header),
            "",
        ]
    return "\n".join(parts)


def _privacy(about: About) -> str:
    clock = (
        "The tables tell the day (UTC) on which somebody began and the time since then, with the clock set to midnight at the "
        "beginning: the order of answers and the time between them are exact, the hour of the day is not told."
        if about.times == tables.DAY
        else "Times are exact."
    )
    told = any(c.name.startswith(columns.ABOUT) for c in about.headers["participants"])
    form = (
        "What participants said about themselves is in the columns that begin with `about_`."
        if told
        else "What participants said about themselves is not in it."
    )
    return (
        "No names, accounts, addresses of links, IP addresses, parameters of a panel, comments, or sizes of screens. "
        f"Pseudonyms are keyed hashes; the keys are not in this dataset. {clock} {form} Rows are in the order in which people "
        "joined. Who had their data deleted is not in it at all.\n"
    )


def _codebook_row(column: Column) -> str:
    meaning = column.description
    if column.levels:
        meaning += (
            " " + "; ".join(f"`{value}`: {said}" for value, said in column.levels.items()) + "."
        )
    if column.empty:
        meaning += f" Empty: {column.empty}."
    return f"| `{column.name}` | {column.kind} | {column.unit} | {cell(meaning)} |"


def cell(text: str) -> str:
    """A text in a table of Markdown."""
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").split())


def license_text(about: About) -> str:
    if not about.license:
        return (
            "No licence was chosen for these data.\n\n"
            "Without one, nobody but their makers may pass them on or build on them. To choose one, make the export with "
            "--license.\n" + _other_terms(about)
        )
    name, url = LICENSES[about.license]
    return (
        f"The tables in data/ and the texts of this dataset are under: {name} ({about.license})\n{url}\n"
        + _other_terms(about)
    )


def _other_terms(about: About) -> str:
    pictures = (
        "\nPictures are under the licences of the photographs that they were made from: see CREDITS.md.\n"
        if about.with_pictures
        else ""
    )
    return f"{pictures}\nThe programs in analysis/ are under the licence in analysis/LICENSE.\n"


def credits_text(about: About) -> str:
    """CREDITS.md: photographs by word and content, and which pictures are left out."""
    lines = [
        "# Credits\n",
        "Photographs that the pictures were made from. CREDITS.csv has all that is known of each.\n",
    ]
    subject = ""
    for credit in about.credits:
        title = f"{credit.subject} ({credit.role})"
        if title != subject:
            lines.append(f"\n## {cell(title)}\n")
            subject = title
        parts = [cell(credit.line), credit.safe_page, credit.safe_license]
        lines.append("- " + " · ".join(part for part in parts if part))
    if about.with_pictures and about.left_out:
        lines += [
            "\n## Pictures that are not in this dataset\n",
            "| Picture | Word | Content | Why |",
            "|---|---|---|---|",
            *(
                f"| {row.pk} | {cell(row.word.text)} | {cell(row.content.name)} | {about.left_out[row.pk]} |"
                for row in about.pictures
                if row.pk in about.left_out
            ),
        ]
    return "\n".join(lines) + "\n"


# --- methods ------------------------------------------------------------------------------------


def methods(about: About) -> str:
    """A paragraph for a paper, and every parameter."""
    return "\n".join(
        [
            f"# Methods: {about.study.title}\n",
            "## Stimuli\n",
            _stimuli_paragraph(about),
            "## Procedure\n",
            _procedure_paragraph(about.study),
            "## Participants\n",
            _participants_paragraph(about),
            "## Who is left out\n",
            _exclusion_paragraph(about.study),
            "## Analysis\n",
            "Numbers were computed by the program in analysis/ with "
            + ", ".join(f"{name} {version(name)}" for name in PACKAGES)
            + ". Formulas and their sources are in the texts of its modules.\n",
            "## Parameters of the pictures\n",
            *_parameters(about.pictures),
            "## Settings of the study\n",
            "| Setting | Value |",
            "|---|---|",
            *(
                f"| `{name}` | {cell(json.dumps(value, ensure_ascii=False))} |"
                for name, value in tables.settings_of(about.study, about.times).items()
            ),
            "",
        ]
    )


def _exclusion_paragraph(study: Study) -> str:
    rules = parse(study.exclusions)
    declared = study.exclusions_declared
    if declared is None:
        when = "The study has not been opened yet."
    elif declared == study.exclusions:
        when = "This is what was declared before the study was opened."
    else:
        earlier = " ".join(describe(rule) for rule in parse(declared)) or "that nobody is left out."
        when = f"Changed after the study was opened; declared before: {earlier}"
    if not rules:
        return f"No rule leaves a participant out of the numbers. {when}\n"
    said = "\n".join(f"- {describe(rule)}" for rule in rules)
    return (
        f"Left out of the numbers called `kept` in analysis/report.json, which gives those with everybody too:\n\n{said}\n\n"
        f"{when} How many each rule leaves out is under `excluded` there.\n"
    )


def _stimuli_paragraph(about: About) -> str:
    count = len(about.pictures)
    words = len({row.word_id for row in about.pictures})
    contents = len({row.content_id for row in about.pictures})
    recipes = sorted({row.recipe.name for row in about.pictures})
    encoders = sorted(
        {str((row.params or {}).get("encoder", "not stored")) for row in about.pictures}
    )
    seeds = sorted({row.seed for row in about.pictures if row.seed is not None})
    seeded = f" Seeds: {len(seeds)} different ones, in the table of stimuli." if seeds else ""
    return (
        f"{count} pictures were asked about or offered, of {words} words and {contents} content photographs. Each was made by "
        "restyling a content photograph with a representation of the photographs found for a word (neural style "
        f"transfer). Recipes: {', '.join(recipes) or 'none'}; encoder: {', '.join(encoders) or 'none'}.{seeded}\n"
    )


def _procedure_paragraph(study: Study) -> str:
    asked = [
        text
        for wanted, text in (
            (study.ask_picture, "chose the picture that looks like a word"),
            (study.ask_word, "chose the word that a picture looks like"),
            (
                study.ask_rating,
                f"rated on {study.rating_points} points how well word and object go together",
            ),
        )
        if wanted
    ]
    extras = [
        f"{count} {text}"
        for count, text in (
            (study.practice, "practice trials came first, with the right answer shown"),
            (study.repeats, "questions were asked a second time, far from the first"),
            (study.gold, "obvious questions were strewn among the others"),
            (study.attention, "attention checks were strewn among the others"),
        )
        if count
    ]
    each = "all questions" if study.questions_each is None else f"{study.questions_each} questions"
    order = (
        "in an order shuffled for each participant"
        if study.order == "shuffle"
        else "in orders of a Latin square over participants"
    )
    unsure = "“Not sure” could be chosen." if study.not_sure else "“Not sure” could not be chosen."
    more = f" {'; '.join(extras)}." if extras else ""
    return (
        f"Participants {'; '.join(asked)}. A question to choose in had "
        f"{study.options or 'as many options as there are words, that is all,'} options, one of them right; foils were "
        "drawn anew for each participant among pictures of the same content, recipe and variant, so that each picture "
        f"was target and foil. Each participant was given {each}, {order}. {unsure}{more} Pictures were shown at up to "
        f"{study.display_px} CSS px, {'with' if study.enlarge else 'without'} a way to enlarge them.\n"
    )


def _participants_paragraph(about: About) -> str:
    languages = ", ".join(f"{code} {count}" for code, count in sorted(about.languages.items()))
    return (
        f"{about.counts['participants']} people agreed to take part (data deleted on request not counted); "
        f"{about.answered} answered at least one trial and {about.finished} finished. Languages of the pages: {languages or 'none'}. "
        f"There are {about.counts['trials']} answers of all kinds.\n"
    )


def _parameters(pictures: Iterable[StylizedImage]) -> list[str]:
    """By recipe, what its pictures were made with where they agree; how many values there are where not."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in pictures:
        groups.setdefault(row.recipe.name, []).append(row.params or {})
    lines = []
    for name, all_params in sorted(groups.items()):
        lines += [f"### {cell(name)} ({len(all_params)} pictures)\n"]
        names = dict.fromkeys(key for params in all_params for key in params)
        if not names:
            lines += ["No parameters are stored with these pictures.\n"]
            continue
        lines += ["| Parameter | Value |", "|---|---|"]
        for key in names:
            values = Counter(
                json.dumps(params.get(key), ensure_ascii=False) for params in all_params
            )
            said = next(iter(values)) if len(values) == 1 else f"{len(values)} different values"
            lines.append(f"| `{key}` | {cell(said)} |")
        lines.append("")
    return lines
