"""Gloo (torch.distributed) and MPI (mpi4py) behind the few calls that the peers' scripts need, and how a rank joins."""
import os
import resource
import subprocess
import sys
import tempfile


class Gloo:
    def __init__(self, rank, size, meeting):
        import torch
        import torch.distributed
        self.torch, self.rank, self.size = torch, rank, size
        torch.set_num_threads(1)
        torch.distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=size)

    def mean(self, values):
        """Makes `values`, a numpy array, the mean of every rank's, in place."""
        tensor = self.torch.from_numpy(values)
        self.torch.distributed.all_reduce(tensor)
        tensor /= self.size

    def largest(self, value):
        tensor = self.torch.tensor([value], dtype=self.torch.int64)
        self.torch.distributed.all_reduce(tensor, op=self.torch.distributed.ReduceOp.MAX)
        return int(tensor[0])

    def leave(self):
        """Ends the process at once: now and then gloo's threads abort one that ends as others do."""
        self.torch.distributed.barrier()
        sys.stdout.flush()
        os._exit(0)


class Mpi:
    def __init__(self):
        from mpi4py import MPI
        self.mpi, self.world = MPI, MPI.COMM_WORLD
        self.rank, self.size = self.world.rank, self.world.size

    def mean(self, values):
        self.world.Allreduce(self.mpi.IN_PLACE, values)
        values /= self.size

    def largest(self, value):
        return self.world.allreduce(value, op=self.mpi.MAX)

    def leave(self):
        """Does as MPI does at a process's end."""


def join(backend, n_ranks):
    """The rank that this process is. Under gloo the process that was called starts the others and does not return;
    under MPI mpirun has started them all."""
    if backend == "mpi":
        return Mpi()
    if "PEER_RANK" in os.environ:
        return Gloo(int(os.environ["PEER_RANK"]), n_ranks, os.environ["PEER_MEETING"])
    with tempfile.TemporaryDirectory() as folder:
        ranks = [subprocess.Popen([sys.executable, *sys.argv],
                                  env=dict(os.environ, PEER_RANK=str(rank), PEER_MEETING=f"{folder}/meeting"))
                 for rank in range(n_ranks)]
        faults = [rank.wait() for rank in ranks]
    sys.exit(max(map(abs, faults)))


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
