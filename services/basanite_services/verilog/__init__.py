"""Verdicts about hardware designs in Verilog and SystemVerilog."""
