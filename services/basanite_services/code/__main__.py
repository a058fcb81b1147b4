"""`python -m basanite_services.code`: serve this verifier alone."""

import sys

from basanite_services.chassis.main import run
from basanite_services.code.verifier import CodeVerifier

sys.exit(run([CodeVerifier], sys.argv[1:]))
