"""The plugin that each attempt gives ``opencode``: it tells in the stream what the program's own events leave out.

Told are, each as a line of type ``gitfleet``: that it listens; sessions and their models; requests that are tried
again, and when; permissions that were refused; what each step used, those of sub-agents and of other helpers as well;
which messages are helpers'; and the end with the reason of the last step. These lines are ahead of the program's own,
which pass through a queue: whoever has read the end has read all usage. The variables that point the program at its
account's home are taken back for the tools that it runs, and its keys are kept from them.

Two waits it ends itself, for nobody outside could before they are over: one that a limit asks for and that is longer
than ``PATIENCE_SECONDS``, since gitfleet has better use for the time; and summing up a conversation that is too long
again and again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PATIENCE_SECONDS = 60
"""The longest wait for a retry that is left to the program."""

_SOURCE = """\
// Written by gitfleet for one attempt.
const ENV = __ENV__
const PATIENCE = __PATIENCE__ * 1000
const say = (what, more) => process.stdout.write(JSON.stringify({ type: "gitfleet", what, ...more }) + "\\n")

export const gitfleet = async ({ client }) => {
  let root, reason, error, overflowed = false
  const began = new Set(), helpers = new Set(), asked = new Map()
  const enter = (session) => { root ??= session }
  const giveUp = async (session) => { await client.session.abort({ path: { id: session } }) }
  say("listens")
  return {
    "shell.env": async (input, output) => {
      for (const [name, value] of Object.entries(ENV))
        output.env[name] = value === null ? undefined : value.replace(/^~/, process.env.HOME ?? "~")
    },
    event: async ({ event: { type, properties: told } }) => {
      const session = told?.sessionID
      if (type === "session.created") enter(session)
      if (type === "message.updated" && told.info.role === "assistant") {
        enter(session)
        const info = told.info
        if ((info.summary || info.mode === "compaction") && !helpers.has(info.id)) {
          helpers.add(info.id)
          say("helper", { message: info.id })
        }
        if (!began.has(session)) {
          began.add(session)
          say("began", { session, root, model: `${info.providerID}/${info.modelID}` })
        }
      }
      if (type === "message.part.updated" && told.part.type === "step-finish") {
        const { id, messageID, sessionID, tokens, cost } = told.part
        const helper = sessionID !== root || helpers.has(messageID)
        say("used", { session: sessionID, helper, id, tokens, cost })
        if (!helper) { reason = told.part.reason; error = undefined; overflowed = false }
      }
      if (type === "session.status" && told.status.type === "retry") {
        const { attempt, message, next } = told.status
        const long = next - Date.now() > PATIENCE
        say("retry", { session, attempt, message, next, long })
        if (long) await giveUp(root)
      }
      if (type === "permission.asked") asked.set(told.id, told)
      if (type === "permission.replied" && told.reply === "reject") {
        const { permission, patterns } = asked.get(told.requestID) ?? {}
        say("denied", { permission, patterns })
      }
      if (type === "session.error" && session === root && told.error) {
        error ??= told.error
        if (told.error.name === "ContextOverflowError") {
          if (overflowed) await giveUp(root)
          overflowed = true
        }
      }
      if (type === "session.idle" && session === root) say("end", { reason, error, now: Date.now() })
    },
  }
}
"""


def source(env: Mapping[str, str | None]) -> bytes:
    """The plugin; ``env`` is what tools see instead, ``~`` for the home, none for a variable that they do not see."""
    text = _SOURCE.replace("__PATIENCE__", str(PATIENCE_SECONDS))
    return text.replace("__ENV__", json.dumps(dict(env), indent=1)).encode()
