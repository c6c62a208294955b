"""Reads everything below deploy/ as its readers would, and tells what each container is started with.

usage: manifests.py ROOT
Kubernetes objects are held against the schema of Kubernetes, and references against what they name; each line on stderr
is a fault, and the exit code is 1 then. On stdout: {"compose SERVICE" or "kubernetes NAME": {args, env}}.
"""

import json
import re
import sys
from pathlib import Path

import kubernetes_validate
import yaml

faults: list[str] = []


def expect(holds: bool, fault: str) -> None:
    if not holds:
        faults.append(fault)


def compose(root: Path) -> dict:
    """The services of SHIM; and every mounted file is there, every port is on loopback."""
    # With nothing set around it, a variable is its default.
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (root / "docker-compose.yml").read_text())
    stack = yaml.safe_load(text)
    started = {}
    for name, service in stack["services"].items():
        for port in service.get("ports", []):
            expect(port.startswith("127.0.0.1:"), f"{name}: {port} is not on loopback")
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            known = (root / source).exists() if source.startswith(".") else source in stack["volumes"]
            expect(known, f"{name}: there is no {source} to mount")
        for needed in ("read_only", "mem_limit", "cpus", "restart"):
            expect(needed in service, f"{name}: {needed} is missing")
        expect(service.get("cap_drop") == ["ALL"], f"{name} keeps capabilities")
        if service["image"].startswith(("shim:", "shim-evolution:")):
            started[f"compose {name}"] = {"args": service["command"], "env": service["environment"]}
    return started


def kubernetes(root: Path) -> dict:
    """The containers, after their objects kept to the schema and their references led somewhere."""
    base = root / "deploy/kubernetes/base"
    plan = yaml.safe_load((base / "kustomization.yaml").read_text())
    objects = [it for file in plan["resources"] for it in yaml.safe_load_all((base / file).read_text())]
    for it in objects:
        try:
            kubernetes_validate.validate(it, "1.34", strict=True)
        except kubernetes_validate.ValidationError as error:
            faults.append(f"{it['kind']} {it['metadata']['name']}: {error.message}")
    maps = {it["name"]: it for it in plan["configMapGenerator"]}
    shared = dict(pair.split("=", 1) for pair in maps["shim"]["literals"])
    for generator in maps.values():
        for file in generator.get("files", []):
            expect((base / file).exists(), f"kustomization: there is no {file}")
    same = (base / "alertmanager.yml").read_text() == (root / "deploy/alertmanager/alertmanager.yml").read_text()
    expect(same, "the two alertmanager.yml differ: kustomize takes no file from outside of its folder")
    services = {it["metadata"]["name"]: it["spec"] for it in objects if it["kind"] == "Service"}
    pods = {it["metadata"]["name"]: it["spec"] for it in objects if it["kind"] in ("Deployment", "StatefulSet")}
    started = {}
    secrets = {it["name"] for file in ("base", "overlays/example") for it in generated(root, file, "secretGenerator")}
    for name, spec in pods.items():
        pod = spec["template"]["spec"]
        labels = spec["template"]["metadata"]["labels"]
        container = pod["containers"][0]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        expect(services[name]["selector"] == labels, f"{name}: its service selects other pods")
        for port in services[name]["ports"]:
            expect(ports.get(port["targetPort"]) == port["port"], f"{name}: the service's port {port['port']} is not its own")
        claimed = [claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", [])]
        volumes = claimed + [volume["name"] for volume in pod["volumes"]]
        for mount in container["volumeMounts"]:
            expect(mount["name"] in volumes, f"{name}: there is no volume {mount['name']}")
        for volume in pod["volumes"]:
            made = volume.get("configMap", {}).get("name", "shim")
            expect(made in maps, f"{name}: nobody makes the config map {made}")
            made = volume.get("secret", {}).get("secretName")
            expect(made is None or made in secrets, f"{name}: nobody makes the secret {made}")
        if container["image"] not in ("shim", "shim-evolution"):
            continue
        env = shared | {it["name"]: it["value"] for it in container["env"]}
        for key, url in env.items():
            if key.startswith("SHIM_ENDPOINTS_"):
                host, port = url.removeprefix("http://").split(":")
                served = [it["port"] for it in services.get(host, {"ports": []})["ports"]]
                expect(int(port) in served, f"{name}: nobody serves {url}")
        started[f"kubernetes {name}"] = {"args": container["args"], "env": env}
    return started


def generated(root: Path, folder: str, kind: str) -> list:
    return yaml.safe_load((root / "deploy/kubernetes" / folder / "kustomization.yaml").read_text()).get(kind, [])


def main(root: Path) -> None:
    for file in sorted((root / "deploy").rglob("*.y*ml")):
        list(yaml.safe_load_all(file.read_text()))
    collector = yaml.safe_load((root / "deploy/otel-collector/config.yaml").read_text())
    for name, pipeline in collector["service"]["pipelines"].items():
        for part in ("receivers", "processors", "exporters"):
            for used in pipeline[part]:
                expect(used in collector[part], f"collector: {name} uses {used}, which is not among the {part}")
    started = compose(root) | kubernetes(root)
    if faults:
        sys.exit("\n".join(faults))
    print(json.dumps(started))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
