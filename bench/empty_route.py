"""An empty FastAPI route on the server and settings of our pages: what `bench/form.py` compares with."""

import sys

from fastapi import FastAPI

from worker.web.serve import serve

app = FastAPI()


@app.post("/empty")
async def empty() -> dict[str, str]:
    return {}


if __name__ == "__main__":
    serve(app, "127.0.0.1", int(sys.argv[1]))
