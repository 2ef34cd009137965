"""`palm rollout --verify`: nothing is rolled out unless a server answers as the policies did.

vLLM cannot run here. The server is a real HTTP server of OpenAI's completions API over the models of a registered
portfolio, and it can serve wrongly in the ways in which vLLM has.
"""

import json
import shutil

import pytest
import torch
from flask import Flask, jsonify, request
from support.cluster_commands import palm
from support.http_server import HttpServer
from support.published import write_adapters, write_served
from support.small_portfolio import promote, register_small
from support.workspace import WORDS
from tokenizers.decoders import DecodeStream

from palm.artifacts.answers import Answers
from palm.artifacts.routing import Routing
from palm.cluster.rollout import VERSION
from palm.config.load import load_config
from palm.errors import ModelError
from palm.models.answers import continuation, likeliest_answers
from palm.models.load import load_model
from palm.models.policies import PolicySet
from palm.serving.server_check import check_server


class Completions:
    """Greedy completions of a portfolio folder's policies, by token ids; `swap` answers as another model."""

    def __init__(self, folder):
        self.routing = Routing.read(folder)
        self.base = load_model(folder / "base_model")
        self.policies = PolicySet(self.base)
        for entry in self.routing.policies:
            self.policies.add(entry.policy, folder / entry.folder)
        self.swap: dict[str, str] = {}
        self.app = Flask("completions")
        self.app.post("/v1/completions")(self.complete)

    def complete(self):
        asked = request.get_json()
        name = asked["model"]
        if name not in self.policies or not isinstance(asked["prompt"], list) or asked["temperature"] != 0:
            return jsonify({"message": f"The model `{name}` does not exist."}), 404
        name = self.swap.get(name, name)
        with torch.inference_mode():
            if name == "reference":
                self.policies.use(asked["model"])
                with self.policies.reference() as model:
                    text = self.greedy(model, asked)
            else:
                text = self.greedy(self.policies.use(name).model, asked)
        return jsonify({"choices": [{"text": text}]})

    def greedy(self, model, asked) -> str:
        ids, start = list(asked["prompt"]), len(asked["prompt"])
        while len(ids) < start + asked["max_tokens"] and (len(ids) == start or ids[-1] not in self.base.end_ids):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
        return streamed(self.base.tokenizer, ids[:start], ids[start:])


def streamed(tokenizer, prompt: list[int], answer: list[int]) -> str:
    """The text of an answer as vLLM makes it: token by token, after the prompt."""
    stream = DecodeStream(ids=prompt, skip_special_tokens=True)
    return "".join(filter(None, (stream.step(tokenizer.backend_tokenizer, token) for token in answer)))


@pytest.fixture(params=["ByteLevel", "SentencePiece"])
def base_model(request, base_model, tmp_path):
    """The base model, also with a decoder that drops the space at the start, as those of Llama 2 and Mistral do."""
    if request.param == "ByteLevel":
        return base_model
    copy = shutil.copytree(base_model, tmp_path / "base")
    tokenizer = json.loads((copy / "tokenizer.json").read_text())
    strip = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
    tokenizer["decoder"] = {"type": "Sequence", "decoders": [tokenizer["decoder"], strip]}
    (copy / "tokenizer.json").write_text(json.dumps(tokenizer))
    return copy


@pytest.fixture
def portfolio(workspace, base_model):
    """The folder of version 1, champion: two adapters over an embedded base model, with their answers."""
    config = load_config(workspace / "portfolio.yaml")
    adapters = write_adapters(workspace / "adapters", base_model, 0)
    for name, folder in adapters.items():
        policy = PolicySet(load_model(base_model)).add(name, folder)
        likeliest_answers(policy, [f"say {word}" for word in WORDS], max_new_tokens=8, batch_size=4).write(folder)
    place = workspace / "portfolio"
    write_served(place, adapters, base_model, source=str(base_model))
    register_small(config, place, "build-0")
    promote(config, "1")
    return place


@pytest.fixture
def server(portfolio):
    completions = Completions(portfolio)
    with HttpServer(completions.app) as http:
        completions.url = http.url
        yield completions


def test_training_stores_answers_beside_the_policy(build):
    for folder in build.policies:
        answers = Answers.read(folder).answers
        assert 1 <= len(answers) <= 4 and all(answer.tokens >= 1 and answer.prompt for answer in answers)


def test_answers_that_the_base_model_does_not_give_come_first(portfolio):
    for entry in Routing.read(portfolio).policies:
        same = [answer.base_model for answer in Answers.read(portfolio / entry.folder).answers]
        assert same and not same[0] and same == sorted(same)


def test_a_server_that_answers_as_certified_is_accepted(server, portfolio):
    assert "answers as the policies did" in check_server(server.url, portfolio)


def test_a_server_of_the_base_model_is_refused(server, portfolio):
    """As vLLM was when it found no layer of an adapter."""
    name = server.routing.policies[0].policy
    server.swap = {name: "reference"}
    with pytest.raises(ModelError, match=rf"policy {name}: answers .* where it answered .* ignores the adapter"):
        check_server(server.url, portfolio)


def test_a_server_of_something_else_is_refused(server, portfolio, tmp_path):
    other = shutil.copytree(portfolio, tmp_path / "other")
    routing = json.loads((other / "routing.json").read_text())
    routing["policies"][0]["policy"] = "policy-other"
    (other / "routing.json").write_text(json.dumps(routing))
    with pytest.raises(ModelError, match=r"policy policy-other: gives no completion \(404: .*does not exist"):
        check_server(server.url, other)
    with pytest.raises(ModelError, match=r"gives no completion \(.*refused"):
        check_server("http://127.0.0.1:9", portfolio)


def test_a_policy_without_answers_cannot_be_checked(server, portfolio, tmp_path):
    old = shutil.copytree(portfolio, tmp_path / "other")
    file = old / server.routing.policies[0].folder / Answers.FILE
    file.unlink()
    with pytest.raises(ModelError, match=r"has no stored answers \(an earlier version .*`palm generate`"):
        check_server(server.url, old)
    Answers(answers=()).write(file.parent)
    with pytest.raises(ModelError, match=r"has no stored answers \(it is certain of no answer's first token"):
        check_server(server.url, old)


def test_an_answer_that_ends_within_a_character_is_cut(base_model):
    tokenizer = load_model(base_model).tokenizer
    prompt, answer = tokenizer("say")["input_ids"], tokenizer(" tea €")["input_ids"]
    for end in range(1, len(answer) + 1):
        kept, text = continuation(tokenizer, prompt, answer[:end])
        assert text == streamed(tokenizer, prompt, kept) == streamed(tokenizer, prompt, answer[:end])
    assert text == " tea €" and kept == answer


def test_a_policy_that_answers_as_the_base_model_is_named(server, portfolio, tmp_path):
    close = shutil.copytree(portfolio, tmp_path / "other")
    name = server.routing.policies[0].policy
    file = close / server.routing.policies[0].folder / Answers.FILE
    stored = json.loads(file.read_text())
    for answer in stored["answers"]:
        answer["base_model"] = True
    file.write_text(json.dumps(stored))
    assert f"the base model would give all answers of {name} too" in check_server(server.url, close)


def test_nothing_is_rolled_out_unless_the_server_answers_as_certified(kubernetes, server, workspace):
    kubernetes.add_deployment("serving", "vllm", replicas=1)
    command = ("rollout", workspace / "portfolio.yaml", "--deployment", "vllm", "--namespace", "serving")

    def annotation():
        template = kubernetes.deployments["serving", "vllm"].spec.template
        return (template.metadata.annotations or {}).get(VERSION)

    server.swap = {server.routing.policies[0].policy: "reference"}
    shown = palm(*command, "--verify", server.url, code=1).output
    assert "ignores the adapter" in shown and annotation() is None and not kubernetes.patches
    server.swap = {}
    shown = palm(*command, "--verify", server.url).output
    assert "is being rolled out to version 1" in shown and "answers as the policies did" in shown
    assert annotation() == "1"
