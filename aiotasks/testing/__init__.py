"""What tests of users and of this library need: a platform in memory, and a transport without a network."""

from aiotasks.testing.platform import FakeClient, FakePlatform, FakeSource, FakeTask
from aiotasks.testing.transport import ScriptedTransport, in_turn, json_response

__all__ = [
    "FakeClient",
    "FakePlatform",
    "FakeSource",
    "FakeTask",
    "ScriptedTransport",
    "in_turn",
    "json_response",
]
