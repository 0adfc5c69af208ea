"""URL checks: a task is a list of URLs, probed and answered with one code for each.

views            the routes: /api/v1/tasks/, /api/v1/domains/
models           tasks, probes and domains as JSON
new_task         reads what is posted
page             the page /tasks, and words, its Russian; pasted reads its form
pictures, chips, progress, shown    what it draws, counts and says
operations, page_operations         what the routes promise, for /openapi.json and /docs
idempotency      a repeated POST makes no second task
store            tasks in Redis
recent           the list of the last tasks
record           the hash of one task: its fields, its scripts
events           a task as server-sent events
queue, heartbeats    the queue in Redis, shared by all gateways; which of them are dead
cache            codes of recently seen URLs, requests per domain
worker           takes tasks from the queue, saves what becomes known
backoff          pauses that grow while something fails
running_task     what is known of one task and not saved yet
flight           one request under way, and what waits for it
single_flight    concurrent requests for one URL share one probe
probe_pool       so many probes at once, so many of one host
fair_scheduler   neither a task nor a host holds the others up
circuit_breaker  a site that times out again and again is not asked for a while
probe/           one URL asked over HTTP
results/         what is known of each URL: stored, read, chosen, exported
"""
