"""`python -m basanite_services.dafny`: serve this verifier alone."""

import sys

import basanite_services.before_grpc  # noqa: F401  first
from basanite_services.chassis.main import run
from basanite_services.dafny.verifier import DafnyVerifier

sys.exit(run([DafnyVerifier], sys.argv[1:]))
