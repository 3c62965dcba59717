"""The lettershop: bulk letter dispatch for advocacy campaigns. Start reading at `worker.domain.states`."""
