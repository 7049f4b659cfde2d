"""Assertions of the suite, which is shipped in the package, explain themselves as those of test files do."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("rescind.testing.conformance")
