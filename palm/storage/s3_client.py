"""The S3 client: retries, time limits and parallel transfers.

botocore retries requests that fail or time out, with jitter. Uploads carry a checksum that the server verifies, and
downloads are checked where the server keeps one: both are botocore's defaults, which its variables
AWS_REQUEST_CHECKSUM_CALCULATION and AWS_RESPONSE_CHECKSUM_VALIDATION change.
"""

import functools
import os
import random
import shutil
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

_ATTEMPTS = 5
"""Attempts of a request, unless AWS_MAX_ATTEMPTS or the user's AWS configuration sets their number."""
_CONNECT_SECONDS, _READ_SECONDS = 10, 60
_PAUSE_SECONDS = 0.05
"""Scale of the random pause before the second attempt; doubled for each further one, as in botocore."""
_PARALLEL_FILES, _PARALLEL_PARTS = 8, 10
"""Files that are transferred at the same time, and parts of all of them together."""


def s3_client() -> Any:
    """The S3 client of this process, made from the usual AWS environment variables and files; it is thread-safe."""
    settings = {key: value for key, value in os.environ.items() if key.startswith("AWS_") or key.endswith("_PROXY")}
    return _client(os.getpid(), tuple(sorted(settings.items())))


@functools.lru_cache(maxsize=1)
def _client(process: int, environment: tuple[tuple[str, str], ...]) -> Any:
    # A forked process must not share the parent's connections; a changed environment needs a new client.
    import boto3
    from botocore.config import Config
    from botocore.session import get_session

    session = get_session()
    attempts = session.get_config_variable("max_attempts")
    config = Config(
        retries={"total_max_attempts": _ATTEMPTS if attempts is None else attempts},
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        max_pool_connections=_PARALLEL_FILES + _PARALLEL_PARTS,
        tcp_keepalive=True,
    )
    return boto3.Session(botocore_session=session).client("s3", config=config)


def s3_error_types() -> tuple[type[Exception], ...]:
    """The classes of the errors that requests to S3 and transfers raise; boto3 has no common base for them."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    return OSError, BotoCoreError, ClientError, Boto3Error


def transfer_manager() -> Any:
    """A context manager with ``upload_file`` and ``download_file``, which send large files in parts."""
    from boto3.s3.transfer import S3Transfer, TransferConfig

    # The CRT client has neither our retries nor our time limits.
    return S3Transfer(s3_client(), TransferConfig(max_concurrency=_PARALLEL_PARTS, preferred_transfer_client="classic"))


def in_parallel(work: Callable, items: Iterable) -> list:
    """Call a function for each item in several threads; after the first error no further call is started."""
    with ThreadPoolExecutor(_PARALLEL_FILES, "s3") as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def none_if_missing(request: Callable[[], Any]) -> Any:
    """The result of a request; None if the object does not exist."""
    from botocore.exceptions import ClientError

    try:
        return request()
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchKey"):
            raise
        return None


def read_object(stream: BinaryIO, **request: str) -> None:
    """Write an object's content into a stream, from its start."""
    from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError

    client = s3_client()
    attempts = client.meta.config.retries["total_max_attempts"]
    for attempt in range(1, attempts + 1):
        stream.seek(0)
        stream.truncate()
        body = client.get_object(**request)["Body"]
        try:
            shutil.copyfileobj(body, stream)
            return
        # botocore retries requests, but not the reading of a body that is cut off.
        except (IncompleteReadError, ReadTimeoutError, ResponseStreamingError, ConnectionError):
            if attempt == attempts:
                raise
            pause(attempt)


def pause(attempt: int) -> None:
    """Wait a random time before the next attempt."""
    time.sleep(random.random() * _PAUSE_SECONDS * 2**attempt)
