#!/usr/bin/python3
"""Checks k8s/ on a cluster: ./dev cluster [--binaries DIR] [--image NAME] [--keep] [CHECK...]

Which cluster:
  --binaries DIR   one of its own, of one node, in namespaces of its own on this machine (as root), made of DIR's kube-apiserver,
                   kube-controller-manager, kube-scheduler, kubelet and kube-proxy: of a release's kubernetes-server archive,
                   or built from Kubernetes' source. Also from the variable KUBE_BINARIES.
  KUBECONFIG       the cluster that it names, with --image: where that cluster pulls the image from, of which tag. It is pushed
                   there (buildah push) before anything is applied. The namespace `cohort` must not exist; it is made and deleted.
Neither is given: kind, minikube, k3s or any other of Kubernetes 1.20 or later will do, with KUBECONFIG set.

A CHECK is the name of a file test_NAME.py, or one of its functions: quickstart, life, mtls, ..."""
import argparse
import importlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

import one_node
from cohort_cluster import ROOT, Cluster

MODELS = ["kubernetes-models@5", "@kubernetes-models/cert-manager", "@kubernetes-models/prometheus-operator"]
PAUSE = "#include <unistd.h>\nint main(void) { for (;;) pause(); }\n"


def arguments():
    parser = argparse.ArgumentParser(usage="./dev cluster [options] [CHECK...]", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checks", nargs="*", metavar="CHECK")
    parser.add_argument("--binaries", metavar="DIR", default=os.environ.get("KUBE_BINARIES"))
    parser.add_argument("--image", metavar="NAME")
    parser.add_argument("--untimed", action="store_true", help="tell times, do not judge them: on a machine that is busy otherwise")
    parser.add_argument("--shell", action="store_true", help="a shell with KUBECONFIG set instead of checks")
    given = parser.parse_args()
    if not given.binaries and not os.environ.get("KUBECONFIG"):
        parser.print_help()
        sys.exit("\n./dev cluster: no cluster; give --binaries DIR, or set KUBECONFIG and give --image NAME")
    if not given.binaries and not given.image:
        sys.exit("./dev cluster: a cluster of yours pulls the image from somewhere; give --image REGISTRY/NAME:TAG")
    if given.binaries and os.geteuid():
        sys.exit("./dev cluster: a cluster of one's own needs root")
    return given


def images(name, folder):
    """Builds Cohort's image, and the one that holds a pod's namespaces, as archives."""
    subprocess.run([ROOT / "dev", "image", name], check=True)
    (folder / "pause.c").write_text(PAUSE)
    (folder / "Containerfile").write_text('FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n')
    subprocess.run(["gcc", "-static", "-O2", "-o", folder / "pause", folder / "pause.c"], check=True)
    subprocess.run(["buildah", "build", "--quiet", "--tag", "localhost/pause:local", folder], check=True, stdout=subprocess.DEVNULL)
    for tag, file in (name, "cohort.tar"), ("localhost/pause:local", "pause.tar"):
        subprocess.run(["buildah", "push", "--quiet", tag, f"docker-archive:{folder / file}:{tag}"], check=True, stdout=subprocess.DEVNULL)


def schemas(folder):
    """A folder with current Kubernetes' schemas, as an npm package has them; None without npm."""
    folder = pathlib.Path(folder, "schemas")
    folder.mkdir(exist_ok=True)
    (folder / "package.json").write_text("{}")
    if not shutil.which("npm") or not shutil.which("node"):
        return None
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, *MODELS]
    return folder if subprocess.run(install, check=False).returncode == 0 else None


def chosen(names):
    """(name, function) of every check that was asked for."""
    for path in sorted(pathlib.Path(__file__).parent.glob("test_*.py"), key=lambda it: (it.stem != "test_quickstart", it.stem)):
        module, short = importlib.import_module(path.stem), path.stem[len("test_") :]
        for name, function in vars(module).items():
            if name.startswith("it_") and (not names or short in names or name in names):
                yield f"{short}: {name[3:].replace('_', ' ')}", function


def check(cluster, names):
    passed = failed = skipped = 0
    for name, function in chosen(names):
        began = time.monotonic()
        try:
            cluster.clear()
            reason = function(cluster)
            passed, skipped = passed + (not reason), skipped + bool(reason)
            print(f"{'skipped' if reason else 'ok'} - {name} ({time.monotonic() - began:.1f} s) {reason or ''}", flush=True)
        except Exception:  # of any kind: the next checks are made all the same
            failed += 1
            print(f"not ok - {name}\n{traceback.format_exc()}", flush=True)
    cluster.clear()
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return failed > 0 or passed == 0


def work(cluster, given):
    cluster.timed = not given.untimed
    if given.shell:
        return subprocess.run([os.environ.get("SHELL", "bash")], env=cluster.environment, cwd=ROOT, check=False).returncode
    return check(cluster, given.checks)


def on_a_node(given):
    image = given.image or "localhost/cohort:0.1.0"
    if not os.environ.get("COHORT_CLUSTER_FOLDER"):
        os.environ["COHORT_CLUSTER_FOLDER"] = tempfile.mkdtemp(prefix="cohort-node-")
        images(image, pathlib.Path(os.environ["COHORT_CLUSTER_FOLDER"]))
        schemas(os.environ["COHORT_CLUSTER_FOLDER"])
    one_node.inside_namespaces()
    folder = pathlib.Path(os.environ["COHORT_CLUSTER_FOLDER"])
    node, cluster = one_node.Node(given.binaries, folder), None
    try:
        began = time.monotonic()
        node.up(folder / "pause.tar")
        node.import_image(folder / "cohort.tar", image)
        print(f"# a node is up after {time.monotonic() - began:.0f} s", flush=True)
        cluster = Cluster(node.kubeconfig, image, node)
        cluster.schemas = folder / "schemas" if (folder / "schemas/node_modules").is_dir() else None
        return work(cluster, given)
    finally:
        node.stop()
        if cluster:
            shutil.rmtree(cluster.scratch, ignore_errors=True)


def on_theirs(given):
    subprocess.run([ROOT / "dev", "image", given.image], check=True)
    subprocess.run(["buildah", "push", "--quiet", given.image], check=True)
    cluster = Cluster(None, given.image)
    cluster.schemas = schemas(cluster.scratch)
    if cluster.kubectl("get", "namespace", "cohort", "--ignore-not-found").strip():
        sys.exit("./dev cluster: the cluster has a namespace 'cohort' already; delete it, or use another cluster")
    try:
        return work(cluster, given)
    finally:
        shutil.rmtree(cluster.scratch, ignore_errors=True)


def main():
    given = arguments()
    sys.exit(on_a_node(given) if given.binaries else on_theirs(given))


main()
