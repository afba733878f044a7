#!/usr/bin/python3
"""A field's number means the same for ever: releases one minor apart work together. check_protos.py SOURCE_ROOT PROTOC [--update]

protos.txt beside this file lists every field and enum value that there ever was. Each must be there still, as it was, or its
number be `reserved`; new ones are added with --update. Prints TAP."""
import pathlib
import subprocess
import sys
import tempfile

try:
    from google.protobuf import descriptor_pb2
except ImportError:
    print("1..0 # SKIP python3-protobuf is needed")
    sys.exit(0)

KINDS = descriptor_pb2.FieldDescriptorProto


def described(root, protoc):
    protos = root / "protos"
    files = sorted(str(it.relative_to(protos)) for it in (protos / "cohort").rglob("*.proto"))
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run([protoc, f"-I{protos}", f"--descriptor_set_out={out.name}", *files], check=True)
        return descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(out.name).read_bytes())


def lines_of(holder, prefix, reserved):
    """A line a field and a value; fills `reserved` with {(type, number)}."""
    for message in getattr(holder, "message_type", None) or getattr(holder, "nested_type", None) or ():
        name = f"{prefix}.{message.name}"
        for field in message.field:
            kind = field.type_name or KINDS.Type.Name(field.type).removeprefix("TYPE_").lower()
            repeated = "repeated " if field.label == KINDS.LABEL_REPEATED else ""
            yield f"{name} {field.number} {field.name} {repeated}{kind}"
        reserved |= {(name, number) for it in message.reserved_range for number in range(it.start, min(it.end, it.start + 1000))}
        yield from lines_of(message, name, reserved)
    for enum in holder.enum_type:
        yield from (f"{prefix}.{enum.name} {value.number} {value.name} value" for value in enum.value)
        reserved |= {(f"{prefix}.{enum.name}", n) for it in enum.reserved_range for n in range(it.start, min(it.end, it.start + 1000) + 1)}


def main():
    root, protoc, listed = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(__file__).with_name("protos.txt")
    now, reserved = set(), set()
    for file in described(root, protoc).file:
        now |= set(lines_of(file, file.package, reserved))
    ever = set(listed.read_text().splitlines()) if listed.exists() else set()
    faults = []
    for line in sorted(ever - now):
        name, number, *_ = line.split()
        if (name, int(number)) not in reserved:
            faults.append(f"'{line}' is gone or another; let it be, or write `reserved {number};` in {name.split('.')[-1]}")
    if sys.argv[3:] == ["--update"] and not faults:
        listed.write_text("\n".join(sorted(ever | now)) + "\n")
        ever |= now
    faults += [f"'{line}' is new; run {sys.argv[0]} SOURCE_ROOT PROTOC --update" for line in sorted(now - ever)]
    print("1..1")
    print("ok 1" if not faults else "not ok 1", "- every number means what it meant")
    for fault in faults:
        print("#", fault)
    return bool(faults)


sys.exit(main())
