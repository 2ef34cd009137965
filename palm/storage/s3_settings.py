"""Settings of S3 that a configuration gives, beside those of AWS's own variables and files.

They hold for a process and those that it starts: pods and workers have them before they can read a configuration.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import parse_qsl, urlencode

_PREFIX = "PALM_S3_"
SETTINGS = ("endpoint", "region", "addressing_style", "checksums", "server_side_encryption", "kms_key")
"""Names of the settings, as in the section ``storage``."""
_FOR_READING = SETTINGS[:4]


def use_s3_settings(settings: Mapping[str, str | None]) -> None:
    """Set the settings of this process and of those that it starts; what is not given is left to AWS's variables."""
    # What stays the same is not touched: another thread may be making a client.
    given = {name: value for name, value in settings.items() if value is not None}
    for name in s3_settings().keys() - given.keys():
        del os.environ[_variable(name)]
    for name, value in given.items():
        os.environ[_variable(name)] = value


def s3_settings() -> dict[str, str]:
    """The settings of this process, by name."""
    return {name: os.environ[_variable(name)] for name in SETTINGS if _variable(name) in os.environ}


def s3_variables() -> dict[str, str]:
    """The environment variables with which another process has the same settings."""
    return {_variable(name): value for name, value in s3_settings().items()}


def with_s3_settings(address: str) -> str:
    """An address of S3 that also tells the settings with which it is read, as the query of a URL."""
    found = {name: value for name, value in s3_settings().items() if name in _FOR_READING}
    return f"{address}?{urlencode(found)}" if found else address


@contextmanager
def as_told_by(address: str) -> Iterator[str]:
    """The address without the settings that it tells, which alone hold in the block; one without any changes none."""
    plain, _, query = address.partition("?")
    found = dict(parse_qsl(query))
    if not found or not set(found) <= set(_FOR_READING):
        yield address
        return
    own = s3_settings()
    use_s3_settings(found)
    try:
        yield plain
    finally:
        use_s3_settings(own)


def _variable(name: str) -> str:
    return _PREFIX + name.upper()
