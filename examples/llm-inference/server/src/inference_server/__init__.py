"""An LLM server to autoscale, with a stand-in for the model that runs without a GPU."""
