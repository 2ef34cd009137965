"""The OpenAPI document of the KFP REST API: which requests and answers it allows."""

import functools
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from flask import Request
from jsonschema import Draft4Validator, FormatChecker, ValidationError
from referencing import Registry
from referencing.jsonschema import DRAFT4

_ADDRESS = "urn:kfp"
_formats = FormatChecker(formats=())


@_formats.checks("date-time", raises=(TypeError, ValueError))
def _is_time(value: object) -> bool:
    return bool(datetime.fromisoformat(value))


@dataclass(frozen=True)
class Operation:
    """A method of a path of the document."""

    name: str
    path: str
    method: str
    registry: Registry
    described: dict

    def read(self, request: Request, path: dict) -> dict:
        """The parameters of a request that follows the document.

        Raises:
            ValidationError: a parameter is missing, unknown or of another type.
        """
        parameters = {(parameter["in"], parameter["name"]): parameter for parameter in self.described["parameters"]}
        if unknown := {("query", name) for name in request.args} - set(parameters):
            raise ValidationError(f"query parameters {unknown} are not in the document")
        given = {}
        for (where, name), parameter in parameters.items():
            value = _sent(request, path, where, name, parameter)
            if value is not None:
                self._check(parameter.get("schema") or _schema(parameter), value)
                given[name] = value
            elif parameter["required"]:
                raise ValidationError(f"{where} parameter {name} is missing")
        return given

    def check_answer(self, status: int, body: dict) -> None:
        """Raise a ValidationError if an answer does not follow the document."""
        answers = self.described["responses"]
        self._check(answers.get(str(status), answers["default"])["schema"], body)

    def _check(self, schema: dict, value: object) -> None:
        if "$ref" in schema:
            schema = {"$ref": _ADDRESS + schema["$ref"]}
        Draft4Validator(schema, registry=self.registry, format_checker=_formats).validate(value)


def _schema(parameter: dict) -> dict:
    """A parameter outside the body is its own schema, but for the type of an uploaded file."""
    schema = {key: parameter[key] for key in ("type", "enum") if key in parameter}
    return schema | ({"type": "string"} if parameter["type"] == "file" else {})


def _sent(request: Request, path: dict, where: str, name: str, parameter: dict) -> object:
    """The value of a parameter; None if it was not sent and has no default value."""
    if where == "body":
        return request.get_json(force=True)
    if where == "formData":
        return request.files[name].read().decode() if name in request.files else None
    text = (path if where == "path" else request.args).get(name, parameter.get("default"))
    if text is None or parameter["type"] == "string":
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValidationError(f"{where} parameter {name} is no {parameter['type']}: {text}") from error


@functools.cache
def operations(document: Path) -> list[Operation]:
    """Every operation of the document; fields that are not in it are refused."""
    content = json.loads(document.read_text())
    for definition in content["definitions"].values():
        if "properties" in definition:
            definition.setdefault("additionalProperties", False)
    registry = Registry().with_resource(_ADDRESS, DRAFT4.create_resource(content))
    return [
        Operation(described["operationId"], path, method.upper(), registry, {"parameters": [], **described})
        for path, methods in content["paths"].items()
        for method, described in methods.items()
    ]
