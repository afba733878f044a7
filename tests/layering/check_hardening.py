#!/usr/bin/env python3
"""Reads out of the programs themselves how they were hardened: check_hardening.py OPTIMISED PROGRAM...

OPTIMISED is yes when _FORTIFY_SOURCE is in force (not under a sanitizer). Prints TAP. The ELF layout: elf(5).
"""
import pathlib
import struct
import sys

ET_DYN = 3
PT_LOAD, PT_DYNAMIC, PT_GNU_STACK, PT_GNU_RELRO = 1, 2, 0x6474E551, 0x6474E552
PF_X, PF_W = 1, 2
DT_NEEDED, DT_STRTAB, DT_RPATH, DT_BIND_NOW, DT_TEXTREL, DT_FLAGS, DT_RUNPATH, DT_FLAGS_1 = 1, 5, 15, 24, 22, 30, 29, 0x6FFFFFFB
EM_X86_64 = 62
GUARD_LOAD = b"\x25\x28\0\0\0"  # ... %fs:0x28, read at a function's start and end
ENDBR64 = b"\xf3\x0f\x1e\xfa"
GUARDS_LEAST, TARGETS_LEAST = 300, 300  # some 800 and 1,100 with the flags, 71 and 3 of libraries' own without
DF_BIND_NOW, DF_1_NOW, DF_1_PIE = 8, 1, 0x08000000


class Program:
    """A 64-bit little-endian ELF file."""

    def __init__(self, path):
        self.bytes = pathlib.Path(path).read_bytes()
        if self.bytes[:6] != b"\x7fELF\x02\x01":
            raise SystemExit(f"1..0 # SKIP {path} is not a 64-bit little-endian ELF file")
        self.type, self.machine = struct.unpack_from("<HH", self.bytes, 16)
        (headers,) = struct.unpack_from("<Q", self.bytes, 32)
        size, n = struct.unpack_from("<HH", self.bytes, 54)
        rows = [struct.unpack_from("<IIQQQQQQ", self.bytes, headers + i * size) for i in range(n)]
        # type, flags, offset, virtual address, size in the file
        self.segments = [(row[0], row[1], row[2], row[3], row[5]) for row in rows]
        self.dynamic = list(self._dynamic())

    def _dynamic(self):
        for kind, _, offset, _, size in self.segments:
            for at in range(offset, offset + size, 16) if kind == PT_DYNAMIC else ():
                tag, value = struct.unpack_from("<qQ", self.bytes, at)
                if tag == 0:
                    return
                yield tag, value

    def value(self, tag):
        return next((value for found, value in self.dynamic if found == tag), 0)

    def text(self, offset):
        """Of the dynamic string table."""
        table = self.value(DT_STRTAB)
        at = next(o + table - v for kind, _, o, v, size in self.segments if kind == PT_LOAD and v <= table < v + size) + offset
        return self.bytes[at : self.bytes.index(b"\0", at)].decode()

    def has(self, kind):
        return any(segment[0] == kind for segment in self.segments)


def faults(program, optimised):
    if program.type != ET_DYN or not program.value(DT_FLAGS_1) & DF_1_PIE:
        yield "is not position-independent: -Db_pie=true"
    if not program.has(PT_GNU_RELRO):
        yield "has no read-only relocations: -Wl,-z,relro"
    bound = program.value(DT_FLAGS) & DF_BIND_NOW or program.value(DT_FLAGS_1) & DF_1_NOW
    if not bound and not any(tag == DT_BIND_NOW for tag, _ in program.dynamic):
        yield "binds symbols lazily, so that the table of them stays writable: -Wl,-z,now"
    if not any(kind == PT_GNU_STACK and not flags & PF_X for kind, flags, *_ in program.segments):
        yield "has an executable stack: -Wl,-z,noexecstack"
    if any(kind == PT_LOAD and flags & PF_W and flags & PF_X for kind, flags, *_ in program.segments):
        yield "has memory that can be written and run"
    if any(tag == DT_TEXTREL for tag, _ in program.dynamic):
        yield "has relocations in its code"
    for tag, value in program.dynamic:
        if tag in (DT_RPATH, DT_RUNPATH):
            for folder in program.text(value).split(":"):
                if not folder.startswith(("/usr/", "/lib")):
                    yield f"looks for libraries in '{folder}'"
    if program.machine == EM_X86_64:
        guards, targets = program.bytes.count(GUARD_LOAD), program.bytes.count(ENDBR64)
        if guards < GUARDS_LEAST:
            yield f"has {guards} looks at the stack's guard: -fstack-protector-strong"
        if targets < TARGETS_LEAST:
            yield f"has {targets} landing places for indirect calls: -fcf-protection=full"
    if optimised and not any(name in program.bytes for name in (b"\0__memcpy_chk\0", b"\0__snprintf_chk\0", b"\0__vsnprintf_chk\0")):
        yield "has no checked calls of the C library: -D_FORTIFY_SOURCE=2"


def main():
    optimised, paths = sys.argv[1] == "yes", sys.argv[2:]
    print(f"1..{len(paths)}")
    failed = False
    for number, path in enumerate(paths, 1):
        found = list(faults(Program(path), optimised))
        failed |= bool(found)
        print(f"{'not ok' if found else 'ok'} {number} - {pathlib.Path(path).name} is hardened")
        for fault in found:
            print(f"# {path} {fault}")
    return failed


sys.exit(main())
