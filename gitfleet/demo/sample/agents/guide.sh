. agents/agent.sh

address=$(sed -n 's/.*listens on \(http:[0-9.:/]*[0-9]\).*/\1/p' "$GITFLEET_PROMPT" | head -n 1)
say "the server's brief says ${address:?the prompt holds no brief of the server}"

mkdir -p docs
cat >docs/service.md <<CODE
# The service

\`\`\`console
\$ python3 -c 'from parcels.server import serve; serve()' &
\$ curl '$address/quote?zone=near&grams=750'
930
\`\`\`

Answers are whole cents. It listens on the loopback interface only.
CODE
work
commit "Document the service"

cat >>README.md <<'CODE'

## Use

```console
$ python3 -m parcels quote near 750
930
```

Zones are `home`, `near` and `far`. For quotes over HTTP see [the service](docs/service.md).
CODE
work
commit "Show the first command in the README"

handoff <<END
{
  "built": ["docs/service.md and the README's section on use"],
  "decisions": ["Examples show real output."]
}
END
