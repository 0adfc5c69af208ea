"""What an operator asks.

health       /healthz, /readyz, /metrics
metrics      the figures for Prometheus
operations   what these routes promise
"""
