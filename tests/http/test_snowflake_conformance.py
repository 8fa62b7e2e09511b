"""The dialect: every statement of tests/conformance/snowflake against Snowflake's answer, or ours where that is said to be another one.

A group has a tenant of its own on one server, and its statements run in order: whoever runs one alone gets those before it as well.
"""
import os
import sys

import pytest

from mayfly import ROOT, Client, Server

sys.path.insert(0, os.path.join(ROOT, "tests", "conformance", "snowflake"))
import cases  # noqa: E402

GROUPS = cases.read_groups()
CASES = [case for group in GROUPS for case in group.cases if case.answer]


class Run:
    """One group on its tenant, as far as it has come."""

    def __init__(self, server, group):
        self.client = Client(server, tenant="snowflake-" + group.name.replace("_", "-"))
        self.ahead = list(group.cases)

    def answer(self, case):
        a = self.client.submit(query=case.query, **case.body)
        if case.script and a.status == 200 and "statementHandles" in a.json:
            a = self.client.status(a.json["statementHandles"][-1])
        return a.status, a.json

    def come_to(self, case):
        while self.ahead[0] is not case:
            before = self.ahead.pop(0)
            status, body = self.answer(before)
            assert before.answer or status == 200, f"{before.group}:{before.line}: {cases.answer_text(status, body)}"
        return self.answer(self.ahead.pop(0))


@pytest.fixture(scope="module")
def runs():
    server = Server({"engine.max_workers": len(GROUPS) + 2, "tenants.concurrent_statements": 4})
    yield {group.name: Run(server, group) for group in GROUPS}
    server.check_end()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.group}:{case.line}")
def test_statement(runs, case):
    status, body = runs[case.group].come_to(case)
    assert cases.is_answer(case.expected, status, body), (
        f"{case.statement}\nwanted {case.expected}\ngot\n{cases.answer_text(status, body)}")
    assert not case.ours or not cases.is_answer(case.answer, status, body), "this is Snowflake's answer: the verdict can go"


def test_there_are_enough_statements():
    assert len(CASES) >= 800
