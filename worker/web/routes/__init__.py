"""The routers, each one subject; `worker.web.app` puts them together."""
