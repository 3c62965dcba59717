"""`python -m worker.cli`: the same as `lettershop`, for the parts that `lettershop up` starts."""

from worker.cli import main

main()
