"""URL checks: a task is a list of URLs, probed and answered with one code for each.

views            the routes: /api/v1/tasks/, /api/v1/domains/
models           tasks, probes and domains as JSON
operations       what the routes promise, for /openapi.json and /docs
idempotency      a repeated POST makes no second task
store            tasks in Redis
record           the hash of one task: its fields, its scripts
queue            the queue in Redis, shared by all gateways
cache            codes of recently seen URLs, requests per domain
worker           takes tasks from the queue, saves what becomes known
single_flight    concurrent requests for one URL share one probe
fair_scheduler   neither a task nor a host holds the others up
probe/           one URL asked over HTTP
"""
