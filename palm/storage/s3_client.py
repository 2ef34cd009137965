"""The S3 client: retries, time limits and parallel transfers.

botocore retries requests that fail or time out, with jitter. Uploads carry a checksum that the server verifies, and
downloads are checked where the server keeps one, unless ``storage.checksums`` or botocore's variables say otherwise.
"""

import functools
import os
import random
import re
import shutil
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

from palm.storage.s3_settings import s3_settings

_ATTEMPTS = 5
"""Attempts of a request, unless AWS_MAX_ATTEMPTS or the user's AWS configuration sets their number."""
_CONNECT_SECONDS, _READ_SECONDS = 10, 60
_PAUSE_SECONDS = 0.05
"""Scale of the random pause before the second attempt; doubled for each further one, as in botocore."""
_WRITES = ("PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload")
_REFUSED_RIGHTS = ("AccessDenied", "Forbidden", "403")
REFUSED_HEADERS = ("InvalidArgument", "InvalidRequest", "NotImplemented", "400", "501")
"""Codes of stores that do not know a header of a request."""
_REFUSED_CHECKSUMS = (*REFUSED_HEADERS, "XAmzContentSHA256Mismatch", "MissingContentLength", "411")
_PARALLEL_FILES, _PARALLEL_PARTS = 8, 10
"""Files that are transferred at the same time, and parts of all of them together."""


def s3_client() -> Any:
    """The S3 client of this process, made from `s3_settings` and AWS's variables and files; it is thread-safe."""
    variables = {key: value for key, value in os.environ.items() if key.startswith("AWS_") or key.endswith("_PROXY")}
    return _client(os.getpid(), tuple(sorted(variables.items())), tuple(s3_settings().items()))


@functools.lru_cache(maxsize=1)
def _client(process: int, environment: tuple[tuple[str, str], ...], given: tuple[tuple[str, str], ...]) -> Any:
    # A forked process must not share the parent's connections; a changed environment needs a new client.
    import boto3
    from botocore.config import Config
    from botocore.session import get_session

    session = get_session()
    attempts = session.get_config_variable("max_attempts")
    settings = dict(given)
    checksums, style = settings.get("checksums"), settings.get("addressing_style")
    config = Config(
        request_checksum_calculation=checksums,
        response_checksum_validation=checksums,
        s3=None if style is None else {"addressing_style": style},
        retries={"total_max_attempts": _ATTEMPTS if attempts is None else attempts},
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        max_pool_connections=_PARALLEL_FILES + _PARALLEL_PARTS,
        tcp_keepalive=True,
    )
    return boto3.Session(botocore_session=session).client(
        "s3", config=config, endpoint_url=settings.get("endpoint"), region_name=settings.get("region")
    )


def encryption() -> dict[str, str]:
    """The arguments by which a new object is encrypted; none if the bucket decides."""
    names = {"server_side_encryption": "ServerSideEncryption", "kms_key": "SSEKMSKeyId"}
    return {names[key]: value for key, value in s3_settings().items() if key in names}


def s3_error_types() -> tuple[type[Exception], ...]:
    """The classes of the errors that requests to S3 and transfers raise; boto3 has no common base for them."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError
    from urllib3.exceptions import HTTPError

    # An answer with an error that is cut off is urllib3's.
    return OSError, BotoCoreError, ClientError, Boto3Error, HTTPError


def s3_remedy(error: Exception) -> str:
    """What helps against a request's failure."""
    # boto3 wraps the failure of an upload and keeps only its text.
    found = re.search(r"\((\w+)\) when calling the (\w+) operation", str(error))
    code, operation = found.groups() if found else ("", "")
    if operation in _WRITES and code in _REFUSED_RIGHTS:
        return "check the rights of the credentials; if the bucket demands it, set storage.server_side_encryption"
    if operation in _WRITES and code in _REFUSED_CHECKSUMS:
        return "if the store does not know the checksums of newer clients, set storage.checksums: when_required"
    return "check endpoint, bucket and credentials"


def transfer_manager(in_parts: bool = False) -> Any:
    """A context manager with ``upload_file`` and ``download_file``, which send large files, or all, in parts."""
    from boto3.s3.transfer import S3Transfer, TransferConfig

    # Parts of an upload have at least 5 MiB, those of a download may be smaller.
    sizes = {"multipart_threshold": 1, "multipart_chunksize": 4} if in_parts else {}
    # The CRT client has neither our retries nor our time limits.
    config = TransferConfig(max_concurrency=_PARALLEL_PARTS, preferred_transfer_client="classic", **sizes)
    return S3Transfer(s3_client(), config)


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
    from urllib3.exceptions import ProtocolError

    client = s3_client()
    attempts = client.meta.config.retries["total_max_attempts"]
    for attempt in range(1, attempts + 1):
        stream.seek(0)
        stream.truncate()
        body = None
        try:
            body = client.get_object(**request)["Body"]
            shutil.copyfileobj(body, stream)
            return
        except (IncompleteReadError, ReadTimeoutError, ResponseStreamingError, ProtocolError, ConnectionError) as error:
            # botocore retries requests, but not the reading of a body that is cut off, be it that of an error.
            retried_by_botocore = body is None and not isinstance(error, ProtocolError)
            if attempt == attempts or retried_by_botocore:
                raise
            pause(attempt)


def pause(attempt: int) -> None:
    """Wait a random time before the next attempt."""
    time.sleep(random.random() * _PAUSE_SECONDS * 2**attempt)
