"""The stand-in refuses what is not in the API's document."""

import json

import pytest
import requests

EXPERIMENTS = "/apis/v2beta1/experiments"


@pytest.mark.parametrize(
    "options",
    [
        {"method": "POST", "json": {"display_name": "one", "colour": "red"}},
        {"method": "POST", "json": {"display_name": 1}},
        {"method": "POST", "json": {"display_name": "one", "created_at": "yesterday"}},
        {"method": "GET", "params": {"page_size": "many"}},
        {"method": "GET", "params": {"colour": "red"}},
    ],
    ids=["unknown field", "type", "time", "type of a query", "unknown query"],
)
def test_requests_against_the_document_are_refused_and_remembered(kfp, options):
    answer = requests.request(url=kfp.url + EXPERIMENTS, timeout=10, **options)
    assert answer.status_code == 400 and answer.json()["code"] == 3
    assert len(kfp.violations) == 1 and not kfp.experiments
    kfp.violations.clear()


def test_answers_against_the_document_are_remembered(kfp):
    made = requests.post(kfp.url + EXPERIMENTS, json={"display_name": "one"}, timeout=10).json()
    kfp.experiments[made["experiment_id"]]["colour"] = "red"
    listed = requests.get(kfp.url + EXPERIMENTS, params={"page_size": 5}, timeout=10)
    assert listed.status_code == 200 and "colour" in json.dumps(kfp.violations)
    kfp.violations.clear()
