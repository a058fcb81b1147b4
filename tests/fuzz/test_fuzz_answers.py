"""The answers channel of function tasks: every byte on it is the candidate's."""

from __future__ import annotations

from fuzzing import fuzz, mutated
from hypothesis import given
from hypothesis import strategies as st
from tagged import TOKENS
from targets import judge_answers
from test_fuzz_requests import _answers

channel = st.lists(_answers, max_size=7).map(lambda lines: b"".join(line + b"\n" for line in lines))


@fuzz(200)
@given(channel | mutated(channel, (*TOKENS, b"\n", b"\n\n")))
def test_whatever_is_answered_is_judged(answers: bytes) -> None:
    judge_answers(answers)
