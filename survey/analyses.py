"""One analysis: rows → data → numbers → row. Loads the numerics, so web code imports it where it is needed."""

import time
from typing import Any

from django.db import transaction
from django.utils import timezone

from stylestudy.leases import Lease, run
from survey import jobs
from survey.models import Analysis, Study
from survey.stats import exclusion
from survey.stats.analysis import SUMMARY, analyze, sections
from survey.stats.data import Data
from survey.tables import DAY, EXACT, TablesError, read

# What a person can do something about: the message alone is shown.
EXPECTED = (TablesError, exclusion.ExclusionError)


def study_data(study: Study, filters: jobs.Filters, times: str = EXACT) -> Data:
    """The answers that the filters leave; ``times`` as in `survey.tables`."""
    data = read(study, times=times)
    recipe = data.recipes.index(filters.recipe) if filters.recipe in data.recipes else None
    return data.where(simulated=filters.simulated, language=filters.language or None, recipe=recipe)


def build(
    study: Study, filters: jobs.Filters, only: tuple[str, ...] | None = None
) -> dict[str, Any]:
    """All numbers of a report, computed now: those that an export's script gives, whose clocks are put back too."""
    return analyze(study_data(study, filters, DAY), rules=study.exclusions, only=only)


def analyze_row(analysis_id: int) -> bool:
    """Compute one analysis and keep its result; False when somebody else does."""
    return run(Analysis.objects, analysis_id, _analyze, EXPECTED)


def _analyze(row: Analysis, lease: Lease) -> None:
    begun = time.monotonic()
    study = row.study
    # Before the answers are read: what comes meanwhile makes the result out of date, never the other way.
    version, as_of = jobs.data_version(study), timezone.now()
    only = SUMMARY if row.part == Analysis.Part.SUMMARY else _details()
    data = study_data(study, jobs.Filters.of(row.filters))
    result = analyze(data, rules=study.exclusions, only=only)
    with transaction.atomic():
        lease.finish(
            result=result,
            version=version,
            as_of=as_of,
            answers=len(data.counted()),
            seconds=round(time.monotonic() - begun, 2),
        )


def _details() -> tuple[str, ...]:
    return tuple(name for name in sections() if name not in SUMMARY)
