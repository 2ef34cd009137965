import json

import pytest

from palm.errors import DamagedError
from palm.storage.manifest import manifest_text, parse_manifest

FILES = {"a.txt": "0" * 64, "files": "1" * 64}


def test_what_is_read_is_what_was_written():
    assert parse_manifest(manifest_text(FILES), "place") == FILES
    assert parse_manifest(manifest_text({}), "place") == {}
    assert parse_manifest(json.dumps(FILES), "place") == FILES, "as an older palm wrote it"


@pytest.mark.parametrize(
    "text, words",
    [
        ("{", "is no valid manifest"),
        ("[1]", "is no valid manifest"),
        (manifest_text(FILES).replace('"files": {', '"fIles": {'), "is no valid manifest"),
        (
            manifest_text(FILES).replace("a.txt", "b.txt"),
            "sha256 of its files' list is [0-9a-f]{64}, it says [0-9a-f]{64}",
        ),
        (manifest_text(FILES).replace("0" * 64, "0" * 63 + "1"), "sha256 of its files' list is"),
        (json.dumps({"files": FILES}), "it says None"),
        (manifest_text({"../a": "0" * 64}), "leads out of the entry"),
        (manifest_text({"a": "short"}), "a has no sha256"),
    ],
)
def test_what_is_no_manifest_is_refused(text, words):
    with pytest.raises(DamagedError, match=rf"place/manifest\.json: .*{words}"):
        parse_manifest(text, "place")
