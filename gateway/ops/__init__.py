"""What an operator asks.

health       /healthz, /readyz, /metrics
metrics      the figures for Prometheus
access_log   one line for each request
operations   what these routes promise
"""
