"""How a task reaches the network: policy, client, mocks, recording, replay."""
