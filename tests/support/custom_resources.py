"""Custom resource definitions as the Kubernetes API server applies them: structure, unknown fields, list keys, CEL."""

import jsonschema
import yaml
from cel_expr_python import cel
from support.schemas import SCHEMAS


class CustomResource:
    """A kind of object, defined by a file of kind CustomResourceDefinition: the version that is stored."""

    def __init__(self, file: str):
        spec = yaml.safe_load((SCHEMAS / "crds" / file).read_text())["spec"]
        (version,) = [version for version in spec["versions"] if version["storage"]]
        self.group, self.version, self.plural = spec["group"], version["name"], spec["names"]["plural"]
        self._schema = version["schema"]["openAPIV3Schema"]
        self._structure = jsonschema.Draft202012Validator(_closed(self._schema))
        self._cel = cel.NewEnv(variables={"self": cel.Type.DYN, "oldSelf": cel.Type.DYN})

    def problems(self, new: dict) -> list[str]:
        """Why the API server would refuse to create an object, with strict validation of fields."""
        structural = [f"{error.json_path}: {error.message}" for error in self._structure.iter_errors(new)]
        return structural or [*_repeated_keys(self._schema, new, "$"), *self._broken_rules(self._schema, new, "$")]

    def _broken_rules(self, schema: dict, value, place: str) -> list[str]:
        broken = []
        for rule in schema.get("x-kubernetes-validations", []):
            # Rules about a change do not apply to a new object.
            if "oldSelf" not in rule["rule"]:
                holds = self._cel.compile(rule["rule"]).eval(data={"self": value}).plain_value()
                if holds is not True:
                    broken.append(f"{place}: {rule['message']}")
        for part, inner, where in _parts(schema, value, place):
            broken += self._broken_rules(part, inner, where)
        return broken


def _parts(schema: dict, value, place: str):
    if isinstance(value, dict):
        for name, part in schema.get("properties", {}).items():
            if name in value:
                yield part, value[name], f"{place}.{name}"
        if isinstance(schema.get("additionalProperties"), dict):
            for name, inner in value.items():
                yield schema["additionalProperties"], inner, f"{place}.{name}"
    if isinstance(value, list) and "items" in schema:
        for index, inner in enumerate(value):
            yield schema["items"], inner, f"{place}[{index}]"


def _repeated_keys(schema: dict, value, place: str) -> list[str]:
    found = []
    if schema.get("x-kubernetes-list-type") == "map":
        keys = [tuple(entry.get(key) for key in schema["x-kubernetes-list-map-keys"]) for entry in value]
        found += [f"{place}: duplicate {key}" for key in sorted({key for key in keys if keys.count(key) > 1})]
    for part, inner, where in _parts(schema, value, place):
        found += _repeated_keys(part, inner, where)
    return found


def _closed(schema):
    """The schema with unknown fields refused, as the API server does with fieldValidation=Strict."""
    if isinstance(schema, list):
        return [_closed(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(inner) for name, inner in schema.items()}
    if "properties" in closed and not closed.get("x-kubernetes-preserve-unknown-fields"):
        closed.setdefault("additionalProperties", False)
    return closed
