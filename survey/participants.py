"""How a study is going, for its researcher: who is where, what stands out, whether pictures are sharp."""

from collections import Counter
from dataclasses import dataclass

from django.db.models import Count, Q
from PIL import Image

from survey import session
from survey.models import Entrance, Participation, Study

# What the address given to a panel ends in; the panel fills it in.
PROLIFIC = "?PROLIFIC_PID={{%PROLIFIC_PID%}}&STUDY_ID={{%STUDY_ID%}}&SESSION_ID={{%SESSION_ID%}}"


@dataclass(frozen=True)
class Going:
    """Numbers of people, simulated raters left out. ``running`` have begun within the last hours."""

    begun: int
    finished: int
    running: int
    given_up: int
    screened_out: int
    withdrawn: int
    simulated: int
    counted: int
    flags: tuple[tuple[str, int], ...]


def going(study: Study) -> Going:
    people = Participation.objects.filter(study=study).real()
    screened, withdrawn = Q(screened_out_at__isnull=False), Q(withdrawn_at__isnull=False)
    totals = people.aggregate(
        begun=Count("pk"),
        finished=Count("pk", filter=Q(finished_at__isnull=False) & ~withdrawn),
        screened_out=Count("pk", filter=screened & ~withdrawn),
        withdrawn=Count("pk", filter=withdrawn),
    )
    counted = session.counted(study).count()
    running = counted - totals["finished"]
    flags: Counter[str] = Counter()
    for quality in people.exclude(quality=None).values_list("quality", flat=True):
        flags.update((quality or {}).get("flags", []))
    return Going(
        **totals,
        running=running,
        given_up=totals["begun"]
        - totals["finished"]
        - totals["screened_out"]
        - totals["withdrawn"]
        - running,
        simulated=Participation.objects.filter(study=study, simulated=True).count(),
        counted=counted,
        flags=tuple(flags.most_common()),
    )


def address_to_give(study: Study, site: str) -> str:
    """What the researcher hands out or gives to the panel; empty where each person gets another one.

    Args:
        site: scheme and host, without a slash at the end.
    """
    address = site + study.get_absolute_url()
    if study.entrance == Entrance.INVITATION:
        return ""
    if study.entrance == Entrance.PROLIFIC:
        return address + PROLIFIC
    if study.entrance == Entrance.PANEL:
        return address + "?" + "&".join(f"{name}=…" for name in study.panel_parameters.values())
    return address


def sharp_up_to(study: Study) -> float | None:
    """The largest device pixel ratio at which no picture is scaled up; None where no file can be read.

    A picture shown at s CSS px on a screen of ratio r covers s·r device pixels. Phones have r of 2 to 3.5.
    Pictures of one recipe have one size, so one file of each is looked at.
    """
    sides = []
    pictures = study.stimulus_set.pictures.done().order_by("recipe_id", "pk")
    for recipe in study.stimulus_set.recipes.all():
        picture = pictures.filter(recipe=recipe).first()
        if picture is None:
            continue
        try:
            with picture.file.open("rb") as stream, Image.open(stream) as image:
                sides.append(min(image.size))
        except OSError:
            continue
    return min(sides) / study.display_px if sides else None
