"""What is wrong with a certificate, and where."""

from palm.errors import VerificationError

REMEDY = "make the certificate again: as it stands, it does not prove what it claims"


class Fault(VerificationError):
    """One place of a certificate that does not hold.

    Args:
        place: keys and row numbers that lead to it, e.g. ``("weights", 12)``.
        rule: what is wrong there.
        others: further places that the rule speaks of.
        remedy: what the user can do about it.
    """

    def __init__(self, place, rule, *, others=(), remedy=REMEDY):
        super().__init__(place_name(place), rule=rule, remedy=remedy)
        self.place = tuple(place)
        self.rule = rule
        self.others = tuple(others)
        self.remedy = remedy


def place_name(place):
    """Write a place as a person would: ``proof.combinations[3]``."""
    name = ""
    for step in place:
        name += f"[{step}]" if isinstance(step, int) else f".{step}"
    return name.removeprefix(".") or "the whole"


def shown(vector):
    """Write a vector so that it fits in a message."""
    return "[" + ", ".join(f"{float(number):.12g}" for number in vector) + "]"
