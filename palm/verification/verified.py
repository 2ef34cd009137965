"""What a certificate proves."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Verified:
    """What a certificate proves.

    Attributes:
        certificate: its kind, ``cover`` or ``portfolio``.
        proved: one sentence for each claim that was checked again.
        not_proved: one sentence for each claim that the file makes without a proof.
    """

    certificate: str
    proved: tuple[str, ...]
    not_proved: tuple[str, ...]
