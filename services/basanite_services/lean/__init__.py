"""The `lean` verifier: is a proof one of exactly the statement that was asked for?"""
