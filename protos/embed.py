#!/usr/bin/env python3
"""Turns a file into a C array: embed.py INPUT OUTPUT.c OUTPUT.h NAME"""
import os
import sys

source, c_file, h_file, name = sys.argv[1:]
data = open(source, "rb").read()
with open(h_file, "w") as out:
    out.write("#pragma once\n\n#include <stddef.h>\n#include <stdint.h>\n\n")
    out.write(f"extern const uint8_t {name}[];\nextern const size_t {name}_bytes;\n")
with open(c_file, "w") as out:
    out.write(f'#include "{os.path.basename(h_file)}"\n\nconst uint8_t {name}[] = {{\n')
    for i in range(0, len(data), 20):
        out.write("    " + ", ".join(map(str, data[i : i + 20])) + ",\n")
    out.write(f"}};\nconst size_t {name}_bytes = sizeof {name};\n")
