"""The `dafny` service: does Dafny prove it, and is what it proved what was asked for?"""
