"""What the checks on a cluster share. A check is a function `it_...(cluster)` of a file test_NAME.py; each starts without the
namespace `cohort`, and what it applies is gone after it."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SMALL = """\
- op: replace
  path: /spec/template/spec/containers/0/resources/requests/cpu
  value: 10m
"""  # so that many pods fit on a small machine


class Cluster:
    def __init__(self, kubeconfig, image, node=None):
        self.image, self.node = image, node
        self.programs = ROOT / "build/bin"
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="cohort-cluster-"))
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(("COHORT_", "OPENBLAS_"))}
        if kubeconfig:
            self.environment["KUBECONFIG"] = str(kubeconfig)
        shutil.copytree(ROOT / "k8s", self.scratch / "k8s")
        versions = self.kubectl("api-versions").split()
        self.old = not {"policy/v1", "autoscaling/v2"} <= set(versions)  # before Kubernetes 1.23
        self.storage_classes = json.loads(self.kubectl("get", "storageclass", "-o", "json"))["items"]

    # ---- commands

    def run(self, *command, check=True, stdin=None, timeout=600):
        done = subprocess.run(
            list(map(str, command)), env=self.environment, input=stdin, capture_output=True, text=True, timeout=timeout,
            cwd=self.scratch, check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def kubectl(self, *arguments, check=True, **more):
        return self.run("kubectl", *arguments, check=check, **more).stdout

    def k(self, *arguments, **more):
        return self.kubectl("-n", "cohort", *arguments, **more)

    def get(self, *arguments):
        return json.loads(self.k("get", *arguments, "-o", "json"))

    def cohort(self, *arguments, **more):
        return self.run(self.programs / "cohort", *arguments, **more)

    # ---- waiting

    def await_(self, what, test, seconds=300, pause=0.25):
        until = time.monotonic() + seconds
        while True:
            found = test()
            if found:
                return found
            if time.monotonic() > until:
                raise AssertionError(f"no {what} after {seconds} s\n{self.told()}")
            time.sleep(pause)

    def told(self):
        words = self.k("get", "pods,jobs", "-o", "wide", check=False) + self.k("get", "events", check=False)[-3000:]
        for pod in self.k("get", "pods", "-o", "name", check=False).split():
            words += f"--- {pod}\n" + self.k("logs", pod, "--tail=12", check=False)
        return words

    def wait(self, kind, name, condition, seconds=300):
        done = self.run(
            "kubectl", "-n", "cohort", "wait", f"--for={condition}", f"{kind}/{name}", f"--timeout={seconds}s", check=False, timeout=seconds + 60
        )
        assert done.returncode == 0, done.stderr + self.told()

    def ready(self, kind, name, seconds=300):
        done = self.run(
            "kubectl", "-n", "cohort", "rollout", "status", f"{kind}/{name}", f"--timeout={seconds}s", check=False, timeout=seconds + 60
        )
        assert done.returncode == 0, done.stderr + self.told()

    # ---- overlays

    def overlay(self, name, resources, components=(), patches=(), **more):
        """An overlay of the test's own, with what this cluster needs; returns its folder. Names are those in k8s/."""
        old = ["components/old-cluster"] if self.old else []
        folder = self.scratch / "k8s/overlays" / f"test-{name}"
        folder.mkdir()
        repository, _, tag = self.image.rpartition(":")
        kinds = "StatefulSet|Deployment"
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [f"../../{it}" for it in resources],
            "components": [f"../../{it}" for it in [*components, *old]],
            "images": [{"name": "localhost/cohort", "newName": repository, "newTag": tag}],
            "patches": [{"target": {"kind": kinds}, "patch": SMALL}, *patches],
            **more,
        }
        (folder / "kustomization.yaml").write_text(json.dumps(kustomization, indent=1))
        return folder

    def apply(self, folder):
        self.kubectl("apply", "-k", folder)

    def volumes(self, n, size="10Gi"):
        """Volumes for claims, where the cluster does not make them itself."""
        if self.storage_classes or not self.node:
            return
        for i in range(n):
            folder = self.scratch / f"volume-{i}"
            folder.mkdir()
            os.chown(folder, 65532, 65532)
            volume = {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": f"test-{i}", "labels": {"cohort-test": "yes"}},
                "spec": {"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": str(folder)}},
            }
            self.kubectl("apply", "-f", "-", stdin=json.dumps(volume))

    def namespace(self):
        """The namespace alone, for what must be there before an overlay is applied."""
        self.kubectl("apply", "-f", self.scratch / "k8s/base/common/namespace.yaml")

    def experiment(self, **changes):
        """The demo's experiment, changed: patches and files for `overlay`; and its path, for `local_hash`."""
        import yaml

        experiment = yaml.safe_load((self.scratch / "k8s/components/demo/experiment.yaml").read_text())
        for section, values in changes.items():
            experiment[section] = {**experiment[section], **values} if isinstance(experiment.get(section), dict) else values
        path = self.scratch / "k8s/components/demo/experiment.yaml"
        path.write_text(yaml.safe_dump(experiment, sort_keys=False))  # not JSON: a duration is not a quoted text
        return path

    def submitted(self, seconds=300):
        """Waits until the demo's experiment has ended well; what its Job printed."""
        self.wait("job", "cohort-submit", "condition=complete", seconds)
        return self.k("logs", "job/cohort-submit", "-c", "submit")

    def watched(self, address):
        """The events of the last experiment, which has ended."""
        return [json.loads(line) for line in self.cohort("watch", "--coordinator", address, "--json").stdout.splitlines()]

    def pod(self, name, command, environment=(), volumes=(), component="learner"):
        """Starts a pod of Cohort's image, as k8s/ starts its own. `volumes`: (name, path, volume)."""
        rows = [{"name": key, "value": value} for key, value in dict(environment).items()]
        secure = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        container = {
            "name": name, "image": self.image, "imagePullPolicy": "IfNotPresent", "command": command, "env": rows, "securityContext": secure,
            "volumeMounts": [{"name": it[0], "mountPath": it[1], "readOnly": True} for it in volumes],
        }
        spec = {
            "restartPolicy": "Never", "automountServiceAccountToken": False, "enableServiceLinks": False, "containers": [container],
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "volumes": [{"name": it[0], **it[2]} for it in volumes],
        }
        labels = {"app.kubernetes.io/component": component}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}
        self.k("apply", "-f", "-", stdin=json.dumps(pod))

    def logs(self, pod, *arguments):
        return self.k("logs", pod, *arguments, check=False)

    def process(self, pod, program):
        """The number, on this machine, of the pod's process; None where the node is not ours."""
        uid = self.get("pod", pod)["metadata"]["uid"]
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if uid in (folder / "cgroup").read_text() and os.path.basename(os.readlink(folder / "exe")) == program:
                    return int(folder.name)
                if uid in (folder / "mountinfo").read_text() and (folder / "comm").read_text().strip() == program[:15]:
                    return int(folder.name)
        return None

    def clear(self):
        self.kubectl("delete", "namespace", "cohort", "--ignore-not-found", "--wait", "--timeout=180s")
        self.kubectl("delete", "persistentvolume", "-l", "cohort-test", "--ignore-not-found")
        self.kubectl("delete", "persistentvolume", "-l", "app.kubernetes.io/name=cohort", "--ignore-not-found")
        for folder in self.scratch.glob("volume-*"):
            shutil.rmtree(folder)
        for folder in (self.scratch / "k8s/overlays").glob("test-*"):
            shutil.rmtree(folder)
        shutil.rmtree(self.scratch / "k8s")
        shutil.copytree(ROOT / "k8s", self.scratch / "k8s")

    # ---- a running Cohort

    @contextlib.contextmanager
    def forward(self, what="service/cohort-coordinator", port=7070):
        """The local address of a port-forward."""
        process = subprocess.Popen(
            ["kubectl", "-n", "cohort", "port-forward", what, f":{port}"], env=self.environment, stdout=subprocess.PIPE, text=True,
            stderr=subprocess.STDOUT,
        )
        try:
            line = process.stdout.readline()
            assert line.startswith("Forwarding from 127.0.0.1:"), line
            yield line.split()[2]
        finally:
            process.terminate()
            process.wait()
            process.stdout.close()

    def metrics(self, pod="cohort-coordinator-0"):
        """{name: [(labels, value)]} of what /metrics of a pod says now; None while it cannot be asked."""
        done = self.run("kubectl", "get", "--raw", f"/api/v1/namespaces/cohort/pods/{pod}:9090/proxy/metrics", check=False)
        if done.returncode:
            return None
        found = {}
        for line in done.stdout.splitlines():
            if not line.startswith("#"):
                name, labels, value = re.match(r"([a-z_]+)(?:\{(.*)\})? (\S+)$", line).groups()
                found.setdefault(name, []).append((dict(re.findall(r'(\w+)="([^"]*)"', labels or "")), float(value)))
        return found

    def metric(self, name):
        """The last experiment's loss or accuracy, as /metrics has it; None before there is one."""
        rows = [value for labels, value in (self.metrics() or {}).get("cohort_metric", ()) if labels["metric"] == name]
        return rows[-1] if rows else None

    def round(self):
        found = self.metrics()
        rows = (found or {}).get("cohort_experiment_round")
        return rows[-1][1] if rows else -1

    def reach_round(self, n, seconds=600):
        self.await_(f"round {n}", lambda: self.round() >= n, seconds)

    def local_hash(self, experiment, *arguments):
        """The model's hash when the same experiment runs on this machine, its digits drawn anew."""
        digits = self.scratch / "digits"
        if not digits.exists():
            self.cohort("data", "make", "--out", digits)
        text = pathlib.Path(experiment).read_text(encoding="utf-8").replace("/digits/", f"{digits}/")
        path = self.scratch / "local.yaml"
        path.write_text(text)
        out = pathlib.Path(tempfile.mkdtemp(dir=self.scratch))
        self.cohort("run", path, "--out", out, "--quiet", *arguments)
        return json.loads((out / "summary.json").read_text())["model_sha256"]
