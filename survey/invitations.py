"""Invitations: links for one person each."""

from collections.abc import Sequence

from django.db import transaction

from survey import entrances, session
from survey.models import ConsentText, Invitation, Participation, Study

MAX_AT_ONCE = 10_000


def make_invitations(study: Study, n: int, notes: Sequence[str] = ()) -> list[Invitation]:
    """n new invitations, the first ones with these notes (for the researcher, e.g. whom one is for).

    Raises:
        ValueError: n is not from 1 to 10,000, there are more notes than invitations, or one is too long.
    """
    if not 1 <= n <= MAX_AT_ONCE:
        raise ValueError(f"Expected from 1 to {MAX_AT_ONCE} invitations; got {n}.")
    if len(notes) > n:
        raise ValueError(f"There are {len(notes)} notes for {n} invitations.")
    longest = Invitation._meta.get_field("note").max_length or 0
    for note in notes:
        if len(note) > longest:
            raise ValueError(f"A note has at most {longest} characters; got {len(note)}.")
    padded = [*notes, *[""] * (n - len(notes))]
    return Invitation.objects.bulk_create([Invitation(study=study, note=note) for note in padded])


def accept(invitation: Invitation, language: str, consent: ConsentText) -> Participation:
    """The participation of the invited person: a new one for the first who agrees, then always that one.

    Raises:
        session.NotOpen, session.Full: as `session.join` does.
    """
    with transaction.atomic():
        participation = session.join(
            invitation.study,
            language,
            person=entrances.person_key(
                invitation.study_id, entrances.INVITATION, invitation.token
            ),
            consent=consent,
        )
        Invitation.objects.filter(pk=invitation.pk, participation=None).update(
            participation=participation
        )
    return participation
