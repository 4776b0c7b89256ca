"""The conflict radar of a running session: looked at in a thread of its own, told and acted on by the coordinator's."""
