"""What `bench.gateway` measures with: a scripted vLLM, a real one, ftchat over either, and clients that stream."""
