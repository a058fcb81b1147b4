"""Verdicts about hardware designs in Verilog and SystemVerilog.

guard.py       what a design may say, and the text that is compiled    design.py   ports, clocks and resets
preprocess.py  macros, conditions, includes                            trace.py    which inputs clock and reset
tokens.py      from text to tokens
write.py       from tokens to text
silence.py     taking a design's output out of it
names.py       names of the trusted text around a design
nesting.py     how deep a text may be nested
keywords.py    reserved words
"""
