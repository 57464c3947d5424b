#!/usr/bin/env python3
"""Makes the font of pictures from DejaVu Sans 2.37 (package fonttools 4):

    tests/plot/font.py DejaVuSans.ttf src/metrics/plot/font/DejaVuSans.ttf

Kept are the Latin, Greek and Cyrillic scripts, punctuation, arrows and some signs of mathematics; no hinting, no kerning.
"""

import sys

from fontTools import subset

SCRIPTS = [(0x20, 0x7E), (0xA0, 0x17F), (0x370, 0x3FF), (0x400, 0x45F)]
SIGNS = [(0x2010, 0x2027), (0x2030, 0x203A), (0x2070, 0x208E), (0x2190, 0x2193), (0x2200, 0x2265), (0x25A0, 0x25CF)]

source, target = sys.argv[1:]
options = subset.Options()
options.hinting = False
options.layout_features = []
options.name_IDs = [0, 1, 2, 13, 14]
options.notdef_outline = True
options.drop_tables += ["GDEF", "GPOS", "GSUB", "kern", "FFTM"]
font = subset.load_font(source, options)
subsetter = subset.Subsetter(options)
subsetter.populate(unicodes=[code for first, last in SCRIPTS + SIGNS for code in range(first, last + 1)])
subsetter.subset(font)
subset.save_font(font, target, options)
