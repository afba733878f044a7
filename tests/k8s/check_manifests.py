#!/usr/bin/python3
"""What every manifest must hold, checked on what kustomize makes of each overlay: check_manifests.py SOURCE_ROOT COHORT

Prints TAP; skips without kubectl or python3-yaml."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

try:
    import yaml
except ImportError:
    yaml = None

# What current Kubernetes serves and does not deprecate, of what is used here; and what only `old-cluster` may use beside it.
CURRENT = {
    "v1": {"Namespace", "Service", "ServiceAccount", "ConfigMap", "PersistentVolume", "PersistentVolumeClaim"},
    "apps/v1": {"StatefulSet", "Deployment"},
    "batch/v1": {"Job"},
    "networking.k8s.io/v1": {"NetworkPolicy"},
    "policy/v1": {"PodDisruptionBudget"},
    "autoscaling/v2": {"HorizontalPodAutoscaler"},
    "cert-manager.io/v1": {"Issuer", "Certificate"},
    "monitoring.coreos.com/v1": {"ServiceMonitor"},
}
OLD = {"policy/v1beta1": {"PodDisruptionBudget"}, "autoscaling/v2beta2": {"HorizontalPodAutoscaler"}}
# Overlays of a user's own: components put together.
TOGETHER = [
    ["demo", "mtls", "cert-manager", "monitoring"],
    ["demo", "p2p", "mtls"],
    ["demo", "relays", "mtls", "cert-manager"],
    ["demo", "relays", "p2p", "old-cluster"],
]


def pods(objects):
    for it in objects:
        if it["kind"] in ("StatefulSet", "Deployment", "Job"):
            yield f"{it['kind']} {it['metadata']['name']}", it["spec"]["template"]


def check_pod(name, template):
    spec = template["spec"]
    if spec.get("enableServiceLinks") is not False:
        yield f"{name}: service links make variables that look like settings"
    if spec.get("automountServiceAccountToken") is not False:
        yield f"{name}: it has no business with the API"
    if not spec["securityContext"]["runAsNonRoot"]:
        yield f"{name}: runs as root"
    if any("secret" in it for it in spec.get("volumes", [])) and spec["securityContext"].get("fsGroup") != 65532:
        yield f"{name}: cannot read its Secrets, which are root's and a group's"
    volumes = {it["name"] for it in spec.get("volumes", [])}
    for it in spec["containers"] + spec.get("initContainers", []):
        security = it["securityContext"]
        if not security["readOnlyRootFilesystem"] or security["allowPrivilegeEscalation"]:
            yield f"{name}/{it['name']}: may write its root or gain rights"
        if security["capabilities"] != {"drop": ["ALL"]}:
            yield f"{name}/{it['name']}: keeps capabilities"
        if not it["resources"]["requests"] or not it["resources"]["limits"]:
            yield f"{name}/{it['name']}: no requests or limits"
        if not it["image"].startswith("localhost/cohort:"):
            yield f"{name}/{it['name']}: image '{it['image']}' was not replaced"
        if not it["command"][0].startswith("/bin/cohort"):
            yield f"{name}/{it['name']}: the image has no '{it['command'][0]}'"
        for mount in it.get("volumeMounts", []):
            if mount["name"] not in volumes | spec.get("claims", set()):
                yield f"{name}/{it['name']}: no volume '{mount['name']}'"


def check(objects, cohort, old):
    names = {(it["kind"], it["metadata"]["name"]) for it in objects}
    for it in objects:
        if it["kind"] not in CURRENT.get(it["apiVersion"], set()) | (OLD.get(it["apiVersion"], set()) if old else set()):
            yield f"{it['kind']}: {it['apiVersion']} is not what current Kubernetes has it in"
        if old and it["kind"] in ("PodDisruptionBudget", "HorizontalPodAutoscaler") and it["apiVersion"] not in OLD:
            yield f"{it['kind']}: Kubernetes 1.20 has no {it['apiVersion']}"
        if it["kind"] == "StatefulSet":
            claims = {claim["metadata"]["name"] for claim in it["spec"].get("volumeClaimTemplates", [])}
            it["spec"]["template"]["spec"]["claims"] = claims
            if ("Service", it["spec"]["serviceName"]) not in names:
                yield f"StatefulSet {it['metadata']['name']}: no service '{it['spec']['serviceName']}'"
            wanted, got = it["spec"]["selector"]["matchLabels"], it["spec"]["template"]["metadata"]["labels"]
            if not wanted.items() <= got.items():
                yield f"StatefulSet {it['metadata']['name']}: selects pods that it does not make"
        if it["kind"] == "ConfigMap" and "experiment.yaml" in it["data"]:
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                file.write(it["data"]["experiment.yaml"].replace("/digits/", "digits/"))
                file.flush()
                made = subprocess.run([cohort, "data", "make", "--out", "digits"], cwd=tempfile.gettempdir(), stdout=subprocess.DEVNULL, check=False)
                done = subprocess.run(
                    [cohort, "validate", file.name], cwd=tempfile.gettempdir(), capture_output=True, text=True, check=False
                )
                if made.returncode or done.returncode:
                    yield done.stderr
    for name, template in pods(objects):
        yield from check_pod(name, template)
        for volume in template["spec"].get("volumes", []):
            if "configMap" in volume and ("ConfigMap", volume["configMap"]["name"]) not in names:
                yield f"{name}: no ConfigMap '{volume['configMap']['name']}'"


def main():
    root, cohort = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).absolute()
    if not yaml or not shutil.which("kubectl"):
        print("1..0 # SKIP kubectl and python3-yaml are needed")
        return 0
    failed, number = False, 0
    with tempfile.TemporaryDirectory() as scratch:
        tempfile.tempdir = scratch
        shutil.copytree(root / "k8s", f"{scratch}/k8s")
        overlays = pathlib.Path(scratch, "k8s/overlays")
        names = ["../base", *sorted(it.name for it in overlays.iterdir()), *map("+".join, TOGETHER)]
        for components in TOGETHER:
            folder = overlays / "+".join(components)
            folder.mkdir()
            (folder / "kustomization.yaml").write_text(
                yaml.safe_dump({"resources": ["../../base"], "components": [f"../../components/{it}" for it in components]})
            )
        print(f"1..{len(names)}")
        for number, name in enumerate(names, 1):
            made = subprocess.run(["kubectl", "kustomize", overlays / name], capture_output=True, text=True, check=False)
            faults = [made.stderr] if made.returncode else list(check(list(yaml.safe_load_all(made.stdout)), cohort, "old-cluster" in name))
            failed |= bool(faults)
            print(f"{'not ok' if faults else 'ok'} {number} - {name}")
            for fault in faults:
                print("# " + fault.replace("\n", "\n# "))
    return failed


sys.exit(main())
