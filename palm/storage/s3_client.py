"""The S3 client: how often and how long it tries, and when a new one is made.

botocore repeats requests that fail or time out, with jitter. Uploads carry a checksum that the server verifies, and
downloads are checked where the server keeps one: both are botocore's defaults, which its variables
AWS_REQUEST_CHECKSUM_CALCULATION and AWS_RESPONSE_CHECKSUM_VALIDATION change.
"""

import functools
import os

_ATTEMPTS = 5
"""Of a request, unless AWS_MAX_ATTEMPTS or the user's AWS configuration says how many."""

_CONNECT_SECONDS, _READ_SECONDS = 10, 60

FILES, PARTS = 8, 10
"""Files that are transferred at once, and parts of all of them."""


def s3_client():
    """The S3 client of this process, made from the usual AWS environment variables and files; threads may share it."""
    decisive = {key: value for key, value in os.environ.items() if key.startswith("AWS_") or key.endswith("_PROXY")}
    return _client(os.getpid(), tuple(sorted(decisive.items())))


@functools.lru_cache(maxsize=1)
def _client(process: int, environment: tuple[tuple[str, str], ...]):
    # Neither a forked process, which would share its connections, nor a changed environment may get the old client.
    import boto3
    from botocore.config import Config
    from botocore.session import get_session

    session = get_session()
    wanted = session.get_config_variable("max_attempts")
    config = Config(
        retries={"total_max_attempts": _ATTEMPTS if wanted is None else wanted},
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        max_pool_connections=FILES + PARTS,
        tcp_keepalive=True,
    )
    return boto3.Session(botocore_session=session).client("s3", config=config)
