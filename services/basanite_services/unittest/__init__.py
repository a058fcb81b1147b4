"""Verdicts by test suites: `verifier.py` is the entry, `report.py` what all modes have in common."""
