"""The task API: a list of URLs in, their HTTP codes out. Imports nothing of audio."""
