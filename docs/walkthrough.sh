#!/bin/sh
# A walk through the API with curl, while `make demo` or the compose playground runs:
#
#     PRESSHOOK_URL=http://127.0.0.1:8000 API_KEY=demo-key sh docs/walkthrough.sh
#
# A test runs these very lines. `id` and `etag` pick a field out of an answer; jq would do as well.
set -eu

: "${PRESSHOOK_URL:=http://127.0.0.1:8000}" "${API_KEY:=demo-key}"
# What is on this machine is asked through no proxy, as presshook's own commands do.
case $PRESSHOOK_URL in http://127.0.0.1[:/]* | http://localhost[:/]*) export no_proxy='*' ;; esac
api="$PRESSHOOK_URL/v1"
key="Authorization: Bearer $API_KEY"
json="Content-Type: application/json"
id() { grep -o '"id":"[^"]*"' | head -n 1 | cut -d '"' -f 4; }
etag() { tr -d '\r' | sed -n 's/^[Ee][Tt]ag: //p'; }

echo "# What can be ordered"
curl -fsS "$api/catalog" -H "$key"

echo; echo "# Order a site; the same Idempotency-Key and body are the same order, however often they are sent"
order='{"site": {"name": "Rosa'"'"'s Bakery", "variant": "vanilla", "location": "Amsterdam"}}'
first=$(curl -fsS "$api/orders" -H "$key" -H "$json" -H "Idempotency-Key: walk-$$" -d "$order" | id)
again=$(curl -fsS "$api/orders" -H "$key" -H "$json" -H "Idempotency-Key: walk-$$" -d "$order" | id)
test "$first" = "$again"
echo "$first"

echo "# Wait for it to change, and again, until it is final"
while :; do
    tag=$(curl -fsS -o /dev/null -D - "$api/orders/$first" -H "$key" | etag)
    curl -fsS "$api/orders/$first?wait=30" -H "$key" -H "If-None-Match: $tag" -o /dev/null
    curl -fsS "$api/orders/$first" -H "$key" | grep -q '"finalized_at":null' || break
    sleep 1 # whatever answers at once: a loop of requests keeps a pace
done
curl -fsS "$api/orders/$first" -H "$key"

echo; echo "# Log in to the finished site; that the password was read is recorded"
curl -fsS "$api/orders/$first/credentials" -H "$key"

echo; echo "# Order another one that has to be paid first, and cancel it"
unpaid='{"site": {"name": "Harbour Books [payment-first]", "variant": "vanilla"}}'
second=$(curl -fsS "$api/orders" -H "$key" -H "$json" -d "$unpaid" | id)
curl -fsS -X DELETE "$api/orders/$second" -H "$key" | grep -o '"status":"cancelled"'

echo "# A finished order cannot be cancelled: 409, as a problem that says why"
curl -sS -X DELETE "$api/orders/$first" -H "$key" -w ' %{http_code}' | grep '409$'

echo "# The newest orders, by status, page by page"
curl -fsS "$api/orders?status=completed&status=cancelled&limit=2" -H "$key"

echo; echo "# What happened to the first one"
curl -fsS "$api/orders/$first/events" -H "$key"
echo
