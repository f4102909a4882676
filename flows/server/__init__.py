"""Prefect's server of this project: settings, start, requests, pages."""
