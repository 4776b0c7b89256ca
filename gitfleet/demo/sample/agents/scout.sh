# Finds a fact that no file holds: only this task's brief carries it to the tasks that need it.
. agents/agent.sh

say "asking the system for a free port"
port=$("$PYTHON" -c '
import socket
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    print(probe.getsockname()[1])
')
work
say "port $port is free"

handoff <<END
{
  "decisions": ["The service listens on the loopback interface only."],
  "discoveries": [{"fact": "Reserved port $port for the parcel service: nothing listened there.", "kind": "environment"}],
  "no_change": "The task was to find something out; the reserved port is in the discoveries."
}
END
