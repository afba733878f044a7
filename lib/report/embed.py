#!/usr/bin/env python3
"""Turns text files into C arrays: embed.py OUT.c NAME=FILE..."""
import sys

with open(sys.argv[1], "w") as out:
    out.write('#include "report/html_impl.h"\n')
    for pair in sys.argv[2:]:
        name, path = pair.split("=", 1)
        data = open(path, "rb").read() + b"\0"
        out.write(f"\nconst char {name}[] = {{\n")
        for at in range(0, len(data), 16):
            out.write("    " + " ".join(f"{byte}," for byte in data[at : at + 16]) + "\n")
        out.write("};\n")
