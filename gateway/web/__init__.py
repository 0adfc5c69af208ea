"""HTTP plumbing that every feature shares.

request_context   the outermost: request id, byte counts, an answer in every case
framing           strict message framing: no request smuggling
target            the request target and the Host, read before the framework
body_flow         back-pressure, idle timeouts, lingering close
security          token, Host, CSRF, security headers
rate_limit        token bucket
proxy_headers     the client address behind trusted proxies
conditional       ETag, If-*, Range
http_date         dates in headers
static_files      style sheets and scripts of the pages
sse               server-sent events
i18n              translations
docs              /openapi.json and /docs
zerocopy          sendfile
file_span         a part of a file as the body of an answer
"""
