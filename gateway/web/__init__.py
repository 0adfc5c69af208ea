"""HTTP plumbing that every feature shares.

request_context   the outermost: request id, byte counts, a response in every case
lifespan          refuses a server that starts nothing
framing           strict message framing: no request smuggling
target            the request target, read before the framework
compression       gzip of texts
body_flow         back-pressure, idle timeouts, lingering close
security          token, Host, CSRF, security headers
rate_limit        token bucket
root_path         all of it below a path of a site
proxy_headers     the client address behind trusted proxies
file_pieces       a part of a file as the body of a response
form_fields       the fields of a plain form
conditional       ETag, If-*, Range
static_files      style sheets and scripts of the pages, entity tags
sse               server-sent events
frame             the frame of the pages: bar, theme, notices, keyboard help
error_answers     problem JSON, or a page for a browser
i18n              translations; words: those of the frame
docs              /openapi.json and /docs
"""
