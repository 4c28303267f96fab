#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""embed.py OUTPUT.c FILE.yang...: the YANG files as C strings, so that none can be missing."""
import pathlib
import sys

output, *files = map(pathlib.Path, sys.argv[1:])
lines = ['#include "model/schema.h"', "", "const struct schema_file schema_files[] = {"]
for file in files:
    text = file.read_bytes()
    lines.append('\t{ "%s",' % file.stem)
    for i in range(0, len(text), 64):
        lines.append('\t  "%s"' % "".join("\\%03o" % byte for byte in text[i:i + 64]))
    lines.append("\t},")
lines += ["\t{ 0, 0 },", "};"]
output.write_text("\n".join(lines) + "\n")
