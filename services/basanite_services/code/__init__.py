"""Judges untrusted programs: kind `code` (proto/basanite/v1/tasks.proto, CodeTask).

verifier.py   the verifier, and the choice of the form        text.py      comparing outputs
check.py      rules of a task                                 values.py    comparing returned values
stdio.py      form stdio                                      outcome.py   from a sandbox's report to an outcome
checker.py    a task's own checker
function.py   form function
program.py    form program
"""
