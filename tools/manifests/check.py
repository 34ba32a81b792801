#!/usr/bin/env python3
"""Holds the files for Kubernetes and compose to their schemas, offline.

Core kinds: the schemas of Kubernetes (kubernetes-validate, strict), the oldest and the newest that we name. Custom
resources: crds.yaml beside this file. Compose files and workflows: the schemas of their specifications. Prints each fault as
FILE: WHERE: WHAT and, as the last line, the counts.
"""

import importlib.util
import json
import re
import sys
from pathlib import Path

import jsonschema
import kubernetes_validate
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "envoy" / "kubernetes"
KUBERNETES = ("1.29", "1.37")
LEAVES = {
    "string": lambda value: isinstance(value, str),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "bool": lambda value: isinstance(value, bool),
    "map": lambda value: isinstance(value, dict) and all(isinstance(text, str) for text in value.values()),
    "sha256": lambda value: isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value),
    "quantity": lambda value: isinstance(value, str) and re.fullmatch("[0-9]+(Ki|Mi|Gi)?", value),
    "duration": lambda value: isinstance(value, str) and re.fullmatch("([0-9]{1,5}(h|m|s|ms)){1,4}", value),
    "any": lambda value: True,
}


def compare(value, shape, where):
    """Yields what in `value` is not of this shape (see crds.yaml)."""
    if isinstance(shape, str):
        good = value in shape[1:].split("|") if shape.startswith("=") else LEAVES[shape](value)
        if not good:
            yield where, f"expected {shape}"
    elif isinstance(shape, list):
        if not isinstance(value, list) or not value:
            yield where, "expected a list with something in it"
            return
        for index, item in enumerate(value):
            yield from compare(item, shape[0], f"{where}[{index}]")
    elif not isinstance(value, dict):
        yield where, "expected an object"
    else:
        known = {name.rstrip("!"): inner for name, inner in shape.items()}
        for name in value.keys() - known.keys():
            yield f"{where}.{name}", "crds.yaml knows no such field"
        for name in shape:
            if name.endswith("!") and name[:-1] not in value:
                yield where, f"`{name[:-1]}` is missing"
        for name in value.keys() & known.keys():
            yield from compare(value[name], known[name], f"{where}.{name}")


def core(document):
    """A kind of Kubernetes itself."""
    for version in KUBERNETES:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield error.path if hasattr(error, "path") else "", f"Kubernetes {version}: {error}"


def custom(document, shape):
    yield from compare(document["spec"], shape["spec"], "spec")
    if extra := document.keys() - {"apiVersion", "kind", "metadata", "spec"}:
        yield "", f"fields beside `spec`: {sorted(extra)}"
    if document["kind"] == "EnvoyProxy":
        yield from core(pod_of(document))


def pod_of(proxy):
    """The pod that Envoy Gateway makes of an EnvoyProxy, for the schema of Kubernetes to check."""
    deployment = proxy["spec"]["provider"]["kubernetes"]["envoyDeployment"]
    pod = {name: value for name, value in deployment["pod"].items() if name not in ("annotations", "labels")}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "envoy"},
        "spec": {**pod, "containers": [{"name": "envoy", "image": "envoy", **deployment["container"]}]},
    }


def helm_values(values):
    """What Istio's chart puts into a pod."""
    container = {"name": "istio-proxy", "image": "auto", "volumeMounts": values["volumeMounts"]}
    container["env"] = [{"name": name, "value": value} for name, value in values["env"].items()]
    spec = {"serviceAccountName": values["serviceAccount"]["name"], "volumes": values["volumes"], "containers": [container]}
    if extra := values.keys() - {"serviceAccount", "env", "volumes", "volumeMounts"}:
        yield "", f"not compared with the chart: {sorted(extra)}"
    yield from core({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "gateway"}, "spec": spec})


def kustomization(document, folder):
    """Every file of the folder is used, and every file that is used is there."""
    used = {"kustomization.yaml", *document["resources"]}
    used.update(name for generator in document["configMapGenerator"] for name in generator["files"])
    there = {path.name for path in folder.iterdir()}
    for name in used ^ there:
        yield name, "is listed but not there" if name in used else "is there but not listed"


def kubernetes_file(path, shapes):
    """Each document of a file: how many there are, and their faults."""
    documents = list(yaml.safe_load_all(path.read_text()))
    faults = []
    for document in documents:
        if path.name == "gateway-values.yaml":
            faults.extend(helm_values(document))
        elif document.get("kind") == "Kustomization":
            faults.extend(kustomization(document, path.parent))
        elif "apiVersion" not in document:
            return 0, []  # Envoy's own configuration: `envoy --mode validate` checks it
        elif shape := shapes.get((document["apiVersion"], document["kind"])):
            faults.extend(custom(document, shape))
        else:
            faults.extend(core(document))
    return len(documents), faults


def schema_file(path, name):
    """Compose files and workflows: YAML for which check-jsonschema has a schema."""
    document = yaml.safe_load(path.read_text())
    if True in document:  # `on:` of a workflow, as YAML 1.1 reads it
        document["on"] = document.pop(True)
    # Found, not imported: the package is here for its schemas alone.
    package = Path(importlib.util.find_spec("check_jsonschema").origin).parent
    schema = json.loads((package / "builtin_schemas" / "vendor" / name).read_text())
    faults = jsonschema.Draft7Validator(schema).iter_errors(document)
    return 1, [(fault.json_path, fault.message) for fault in faults]


def main():
    entries = yaml.safe_load((Path(__file__).parent / "crds.yaml").read_text())
    shapes = {(entry["apiVersion"], entry["kind"]): entry for entry in entries}
    checked = [(path, kubernetes_file(path, shapes)) for path in sorted(FOLDER.rglob("*.yaml"))]
    for folder, name in (("envoy/docker-compose*.yaml", "compose-spec.json"), (".github/workflows/*.yaml", "github-workflows.json")):
        checked += [(path, schema_file(path, name)) for path in sorted(ROOT.glob(folder))]
    faults = 0
    for path, (_, found) in checked:
        for where, what in found:
            faults += 1
            print(f"{path.relative_to(ROOT)}: {where}: {what}")
    documents = sum(count for _, (count, _) in checked)
    print(f"{documents} documents checked, {faults} faults")
    return 1 if faults or not documents else 0


if __name__ == "__main__":
    sys.exit(main())
