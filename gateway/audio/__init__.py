"""The audio library: files in a folder, the page that plays them, the API. Imports nothing of tasks."""
