"""A real Kubernetes of one node, from a folder with kube-apiserver, kube-controller-manager, kube-scheduler, kubelet and
kube-proxy, and Debian's etcd, containerd, CNI plugins and dnsmasq.

It lives in namespaces of its own (network, mounts, processes): `inside_namespaces` starts the caller anew as their first
process, and all of it ends with that one. Only cgroups and some sysctls are shared; `Node.stop` puts them back."""
import http.client
import json
import os
import pathlib
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time

ADDRESS, PODS, SERVICES = "10.90.0.1", "10.244.0.0/24", "10.96.0.0/16"
NEEDED = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
PRIVATE = ("/run", "/var/log", "/var/lib/cni", "/var/lib/kubelet")  # what the node writes outside of its folder
SHARED_SYSCTLS = ("vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops", "vm/panic_on_oom")  # kubelet sets them


def inside_namespaces():
    """Returns only in a process that has network, mounts and process numbers to itself."""
    if os.environ.get("COHORT_CLUSTER_INSIDE"):
        for folder in PRIVATE:
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
        return
    os.environ["COHORT_CLUSTER_INSIDE"] = "1"
    for folder in PRIVATE:
        os.makedirs(folder, exist_ok=True)
    unshare = ["unshare", "--net", "--mount", "--ipc", "--pid", "--fork", "--mount-proc", "--kill-child"]
    os.execvp(unshare[0], [*unshare, sys.executable, *sys.argv])


def containers_groups():
    """The cgroups that runc has made for containers: below this process's own or in k8s.io, each of its container's
    number."""
    found = set()
    for line in open("/proc/self/cgroup", encoding="ascii"):
        _, names, own = line.strip().split(":", 2)
        for root in pathlib.Path("/sys/fs/cgroup", names or "unified"), pathlib.Path("/sys/fs/cgroup", names.removeprefix("name=")):
            for top in pathlib.Path(f"{root}{own}"), root / "k8s.io":
                found |= {it for it in top.glob("*") if len(it.name) == 64 and it.is_dir()}
    return found


class Node:
    def __init__(self, binaries, folder):
        self.binaries, self.folder = pathlib.Path(binaries).absolute(), pathlib.Path(folder)
        missing = [name for name in NEEDED if not (self.binaries / name).is_file()]
        if missing:
            sys.exit(f"./dev cluster: no {', '.join(missing)} in '{binaries}'")
        self.kubeconfig = self.folder / "admin.conf"
        self.socket = self.folder / "containerd.sock"
        self.processes, self.ended = [], threading.Event()
        self.sysctls = {name: pathlib.Path("/proc/sys", name).read_text() for name in SHARED_SYSCTLS}
        self.groups = containers_groups()

    # ---- parts

    def sh(self, script, **more):
        subprocess.run(["sh", "-euc", script], cwd=self.folder, check=True, stdout=subprocess.DEVNULL, **more)

    def start(self, name, *command):
        log = (self.folder / f"{name}.log").open("ab")
        process = subprocess.Popen(
            list(map(str, command)), cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        self.processes.append((name, process))
        return process

    def await_(self, what, test, seconds=120):
        until = time.monotonic() + seconds
        while not test():
            for name, process in self.processes:
                if process.poll() is not None:
                    log = (self.folder / f"{name}.log").read_text(errors="replace")
                    raise RuntimeError(f"{name} ended while awaiting {what}:\n{log[-3000:]}")
            if time.monotonic() > until:
                raise TimeoutError(f"no {what} after {seconds} s; the logs are in {self.folder}")
            time.sleep(0.2)

    def kubectl(self, *arguments, **more):
        return subprocess.run(
            ["kubectl", "--kubeconfig", self.kubeconfig, *arguments], capture_output=True, text=True, check=False, **more
        )

    def ctr(self, *arguments, **more):
        return subprocess.run(
            ["ctr", "-a", self.socket, "-n", "k8s.io", *arguments], capture_output=True, text=True, check=False, **more
        )

    def network(self):
        self.sh(
            f"""ip link set lo up
            ip link add node0 type bridge; ip address add {ADDRESS}/24 dev node0; ip link set node0 up
            ip route add default dev node0
            echo 1 >/proc/sys/net/ipv4/ip_forward"""
        )

    def certificates(self):
        names = "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost,IP:127.0.0.1,IP:10.96.0.1"
        self.sh(
            f"""openssl ecparam -genkey -name prime256v1 -out ca.key
            openssl req -x509 -new -key ca.key -subj /CN=kube-ca -days 30 -out ca.crt
            certificate() {{
                openssl ecparam -genkey -name prime256v1 -out $1.key
                openssl req -new -key $1.key -subj "$2" -out $1.csr
                echo "subjectAltName={names},IP:{ADDRESS}" >$1.ext
                openssl x509 -req -in $1.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -out $1.crt -extfile $1.ext
            }}
            certificate apiserver /CN=kube-apiserver
            certificate admin /O=system:masters/CN=admin
            openssl genrsa -out sa.key 2048
            openssl rsa -in sa.key -pubout -out sa.pub""",
            stderr=subprocess.DEVNULL,
        )
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "c", "cluster": {"server": "https://127.0.0.1:6443", "certificate-authority": f"{self.folder}/ca.crt"}}
            ],
            "users": [
                {"name": "a", "user": {"client-certificate": f"{self.folder}/admin.crt", "client-key": f"{self.folder}/admin.key"}}
            ],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "a"}}],
            "current-context": "x",
        }
        self.kubeconfig.write_text(json.dumps(config))

    def control_plane(self):
        self.start(
            "etcd", "etcd", "--data-dir=etcd", "--unsafe-no-fsync", "--listen-client-urls=http://127.0.0.1:2379",
            "--advertise-client-urls=http://127.0.0.1:2379", "--listen-peer-urls=http://127.0.0.1:2380",
        )
        self.start(
            "apiserver", self.binaries / "kube-apiserver", "--etcd-servers=http://127.0.0.1:2379", "--bind-address=0.0.0.0",
            f"--advertise-address={ADDRESS}", "--secure-port=6443", "--tls-cert-file=apiserver.crt",
            "--tls-private-key-file=apiserver.key", "--client-ca-file=ca.crt", "--kubelet-client-certificate=admin.crt",
            "--kubelet-client-key=admin.key", "--service-account-key-file=sa.pub", "--service-account-signing-key-file=sa.key",
            "--service-account-issuer=https://kubernetes.default.svc", f"--service-cluster-ip-range={SERVICES}",
            "--authorization-mode=Node,RBAC", "--kubelet-preferred-address-types=InternalIP", "--allow-privileged=true",
            "--cert-dir=apiserver-certs",
        )
        self.await_("API server", lambda: self.kubectl("get", "--raw", "/readyz").returncode == 0)
        self.start(
            "controller-manager", self.binaries / "kube-controller-manager", "--kubeconfig=admin.conf", "--leader-elect=false",
            "--service-account-private-key-file=sa.key", "--root-ca-file=ca.crt", "--allocate-node-cidrs=true",
            f"--cluster-cidr={PODS}", "--node-cidr-mask-size=24", "--cert-dir=kcm-certs",
        )
        self.start("scheduler", self.binaries / "kube-scheduler", "--kubeconfig=admin.conf", "--leader-elect=false", "--cert-dir=scheduler-certs")

    def containers(self):
        cni = self.folder / "cni"
        cni.mkdir()
        bridge = {
            "type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True, "hairpinMode": True,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": PODS}]], "routes": [{"dst": "0.0.0.0/0"}]},
        }
        plugins = [bridge, {"type": "portmap", "capabilities": {"portMappings": True}}]
        (cni / "10-bridge.conflist").write_text(json.dumps({"cniVersion": "0.4.0", "name": "pods", "plugins": plugins}))
        (self.folder / "containerd.toml").write_text(
            f"""version = 2
root = "{self.folder}/containerd"
state = "/run/containerd"
[grpc]
  address = "{self.socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{self.folder}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:local"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{cni}"
"""
        )
        self.start("containerd", "containerd", "-c", "containerd.toml")
        self.await_("containerd", lambda: self.ctr("version").returncode == 0)

    def kubelet(self):
        (self.folder / "resolv.conf").write_text("")
        config = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {"anonymous": {"enabled": True}, "x509": {"clientCAFile": f"{self.folder}/ca.crt"}},
            "authorization": {"mode": "AlwaysAllow"},
            "cgroupDriver": "cgroupfs",
            "cgroupsPerQOS": False,
            "enforceNodeAllocatable": [],
            "failSwapOn": False,
            "clusterDomain": "cluster.local",
            "clusterDNS": [ADDRESS],
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "resolvConf": f"{self.folder}/resolv.conf",
            "syncFrequency": "10s",
        }
        (self.folder / "kubelet.yaml").write_text(json.dumps(config))
        self.start(
            "kubelet", self.binaries / "kubelet", "--config=kubelet.yaml", "--kubeconfig=admin.conf", f"--root-dir={self.folder}/kubelet",
            "--container-runtime=remote", f"--container-runtime-endpoint=unix://{self.socket}", "--hostname-override=node",
            "--cert-dir=kubelet-certs", f"--node-ip={ADDRESS}",
        )
        self.start(
            "proxy", self.binaries / "kube-proxy", "--kubeconfig=admin.conf", "--hostname-override=node", f"--cluster-cidr={PODS}",
            "--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0", "--conntrack-tcp-timeout-close-wait=0", "--masquerade-all",
        )

    # ---- names: what a cluster's DNS answers, as a file of hosts that dnsmasq reads anew

    def names(self, api):
        def items(kind):
            api.request("GET", f"/api/v1/{kind}")
            return json.loads(api.getresponse().read())["items"]

        lines, with_address = [], set()
        for it in items("services"):
            name = f"{it['metadata']['name']}.{it['metadata']['namespace']}.svc.cluster.local"
            if it["spec"].get("clusterIP") not in (None, "None"):
                with_address.add(name)
                lines.append(f"{it['spec']['clusterIP']} {name}")
        for it in items("endpoints"):
            name = f"{it['metadata']['name']}.{it['metadata']['namespace']}.svc.cluster.local"
            for subset in it.get("subsets") or []:
                for address in (subset.get("addresses") or []) + (subset.get("notReadyAddresses") or []):
                    if address.get("hostname"):
                        lines.append(f"{address['ip']} {address['hostname']}.{name}")
                    if name not in with_address:
                        lines.append(f"{address['ip']} {name}")
        return "\n".join(sorted(lines)) + "\n"

    def serve_names(self, dnsmasq):
        context = ssl.create_default_context(cafile=self.folder / "ca.crt")
        context.load_cert_chain(self.folder / "admin.crt", self.folder / "admin.key")
        api, before = None, ""
        while not self.ended.wait(0.3):
            try:
                api = api or http.client.HTTPSConnection("127.0.0.1", 6443, context=context, timeout=30)
                now = self.names(api)
            except (OSError, http.client.HTTPException, ValueError, KeyError):
                api = None
                continue
            if now != before:
                (self.folder / "hosts.new").write_text(now)
                os.rename(self.folder / "hosts.new", self.folder / "hosts")
                dnsmasq.send_signal(signal.SIGHUP)
                before = now

    def dns(self):
        (self.folder / "hosts").touch()
        dnsmasq = self.start(
            "dnsmasq", "dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", f"--addn-hosts={self.folder}/hosts",
            f"--listen-address={ADDRESS}", "--bind-interfaces", "--local=/cluster.local/", "--pid-file=", "--user=root",
        )
        threading.Thread(target=self.serve_names, args=(dnsmasq,), daemon=True).start()

    # ---- the whole

    def up(self, pause):
        self.network()
        self.certificates()
        self.control_plane()
        self.containers()
        self.import_image(pause, "localhost/pause:local")
        self.kubelet()
        self.dns()
        self.await_("node", lambda: " Ready" in self.kubectl("get", "node", "node").stdout)

    def import_image(self, archive, name):
        done = self.ctr("images", "import", str(archive))
        if done.returncode or name not in self.ctr("images", "ls", "-q").stdout.split():
            raise RuntimeError(f"cannot import {name}: {done.stdout}{done.stderr}{self.ctr('images', 'ls', '-q').stdout}")

    def stop(self):
        """Ends everything; what has no process left has no mounts left either, since they are this namespace's own."""
        self.ended.set()
        for _, process in reversed(self.processes):
            process.terminate()
        os.chdir("/")
        for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
            if pid != os.getpid() and pid != 1:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
        for _, process in self.processes:
            process.wait()
        for name, value in self.sysctls.items():
            pathlib.Path("/proc/sys", name).write_text(value)
        self.remove_groups()
        for line in reversed(pathlib.Path("/proc/self/mounts").read_text().splitlines()):
            place = line.split()[1]
            if place.startswith(str(self.folder)):
                subprocess.run(["umount", "-l", place], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def remove_groups(self):
        until = time.monotonic() + 10
        for top in containers_groups() - self.groups:
            for folder, _, _ in os.walk(top, topdown=False):
                while time.monotonic() < until:
                    try:
                        os.rmdir(folder)
                        break
                    except FileNotFoundError:
                        break
                    except OSError:
                        time.sleep(0.1)  # its last process is on its way out
