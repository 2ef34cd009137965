"""Settings of S3 that a configuration gives, beside those of AWS's own variables and files.

They hold for a process and those that it starts: pods and workers have them before they can read a configuration.
"""

import os
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode

_PREFIX = "PALM_S3_"
SETTINGS = ("endpoint", "region", "addressing_style", "checksums", "server_side_encryption", "kms_key")
"""Names of the settings, as in the section ``storage``."""
_FOR_READING = SETTINGS[:4]


def use_s3_settings(settings: Mapping[str, str | None]) -> None:
    """Set the settings of this process and of those that it starts; what is not given is left to AWS's variables."""
    for name in SETTINGS:
        os.environ.pop(_variable(name), None)
    os.environ.update({_variable(name): value for name, value in settings.items() if value is not None})


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


def plain_address(address: str) -> str:
    """The address without the settings that it tells, which this process has from now on."""
    plain, _, query = address.partition("?")
    found = dict(parse_qsl(query))
    if not found or not set(found) <= set(_FOR_READING):
        return address
    use_s3_settings(s3_settings() | found)
    return plain


def _variable(name: str) -> str:
    return _PREFIX + name.upper()
