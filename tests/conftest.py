# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures of the scenario and interop tests; what they give is in harness.py.

space	the test's own names: space.namespace("web") makes a namespace (at its end all is gone)
weftd	a running weftd without configuration, in the namespace space.namespace("host")

	def test_ping(space, weftd):
		web, db = space.namespace("web"), space.namespace("db")
		weftd.apply(f"networks: {{ red: ... attach: {{ netns: {web} }} ... }}")
		assert web.ping("10.0.0.11") == 3

At the end of a test that passed, weftd must end cleanly and leave no tap and no namespace.
"""
import hashlib
import os

import pytest

import harness


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
	outcome = yield
	if call.when == "call":
		item.failed_in_call = outcome.get_result().failed


@pytest.fixture
def space(request):
	if os.geteuid() != 0:
		pytest.skip("needs root: namespaces and taps")
	digest = hashlib.sha256(f"{harness.ROOT}:{harness.BUILD}:{request.node.nodeid}".encode())
	space = harness.Space("w" + digest.hexdigest()[:6])
	yield space
	space.close(failed=getattr(request.node, "failed_in_call", True))


@pytest.fixture
def weftd(space):
	return space.start_weftd()
