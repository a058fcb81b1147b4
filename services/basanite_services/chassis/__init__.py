"""What every verifier process shares: server, queue, cache, checks, metrics. Verifiers see verifier.py."""
