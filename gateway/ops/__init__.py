"""What an operator asks a gateway.

health       /healthz, /readyz, /metrics
metrics      metrics for Prometheus
access_log   one line for each request
operations   the operations of these routes
"""
