"""What tests of users and of this library need: a transport without a network."""

from aiotasks.testing.transport import ScriptedTransport, in_turn, json_response

__all__ = ["ScriptedTransport", "in_turn", "json_response"]
